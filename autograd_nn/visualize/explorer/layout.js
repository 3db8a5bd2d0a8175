// Graph → coordinates. Pure: no page, no state; the same input gives the same picture. Runs under node too.
//
// Layered layout (Sugiyama, 1981), applied recursively: each open module is laid out by itself and then placed as one
// block, so module boxes cannot overlap. An edge that enters or leaves a module gets a lane of its own through it.
// Everything is computed from left to right; "TB" swaps the axes before and after.
const Layout = (() => {
  'use strict';
  const LANE = 10, SEP = 16, INNER = 26;
  const TITLE = 24, PAD = 16;

  // scopes: [{name, parent}], parents first. Returns for each scope its outermost folded ancestor or itself, or -1.
  function outermostFolded(scopes, folded) {
    const top = [];
    scopes.forEach((scope, i) => {
      const above = scope.parent >= 0 ? top[scope.parent] : -1;
      top.push(above >= 0 ? above : folded.has(i) ? i : -1);
    });
    return top;
  }

  // What is drawn: one card for each node that no folded module hides, one for each folded module; and their edges.
  function visible(nodes, scopes, folded) {
    const top = outermostFolded(scopes, folded), cards = new Map(), of = [], edges = new Map();
    nodes.forEach((node, i) => {
      const hidden = node.scope >= 0 ? top[node.scope] : -1, key = hidden >= 0 ? 's' + hidden : 'n' + i;
      let card = cards.get(key);
      if (!card) {
        const home = hidden >= 0 ? scopes[hidden].parent : node.scope;
        cards.set(key, card = { key, scope: hidden, node: hidden >= 0 ? -1 : i, home, nodes: [], order: i });
      }
      card.nodes.push(i);
      of[i] = card;
    });
    nodes.forEach((node, i) => node.parents.forEach(p => {
      const a = of[p], b = of[i];
      if (a === b) return;
      const key = a.key + '>' + b.key;
      if (!edges.has(key)) edges.set(key, { key, a, b, links: [] });
      edges.get(key).links.push([p, i]);
    }));
    return { cards, of, edges };
  }

  // Fold modules until at most `most` cards are left: if `rolled`, repeated ones first ("layer × 12"); then the deepest,
  // level by level.
  function autoFold(nodes, scopes, most, rolled = true) {
    const depth = scopes.map(() => 0);
    scopes.forEach((scope, i) => { depth[i] = scope.parent >= 0 ? depth[scope.parent] + 1 : 1; });
    const folded = new Set(), few = () => visible(nodes, scopes, folded).cards.size <= most;
    if (few()) return folded;
    if (rolled) scopes.forEach((scope, i) => { if (scope.repeats) folded.add(i); });
    for (let d = depth.reduce((a, b) => Math.max(a, b), 0); d > 0 && !few(); d--) depth.forEach((k, i) => { if (k === d) folded.add(i); });
    return folded;
  }

  // Rank of each item: the longest path to it. Folding can make a cycle; the link that closes one is marked `back`.
  function rank(items, links) {
    for (const v of items) { v.ins = []; v.outs = []; v.r = 0; v.done = false; v.wait = 0; }
    for (const e of links) { e.a.outs.push(e); e.b.ins.push(e); e.b.wait++; }
    const queue = items.filter(v => !v.wait), order = [];
    let next = 0;
    while (order.length < items.length) {
      let v = queue.shift();
      if (!v) {
        while (items[next].done) next++;
        v = items[next];
      }
      if (v.done) continue;
      v.done = true;
      order.push(v);
      for (const e of v.outs) {
        if (e.b.done) { e.back = true; continue; }
        e.b.r = Math.max(e.b.r, v.r + 1);
        if (!--e.b.wait) queue.push(e.b);
      }
    }
    const forth = v => v.outs.filter(e => !e.back), last = Math.max(0, ...items.map(v => v.r));
    for (const v of order.reverse()) {
      const outs = forth(v);
      if (v.port > 0) v.r = last;
      else if (!v.port && outs.length && !v.ins.length) v.r = Math.max(0, Math.min(...outs.map(e => e.b.r)) - 1);
    }
    return order.reverse();
  }

  const mean = (list, f) => list.reduce((sum, x) => sum + f(x), 0) / list.length;

  function crossings(layers) {
    let count = 0;
    for (const layer of layers) {
      const ends = [];
      for (const v of layer) for (const [w] of v.down) ends.push([v.o, w.o]);
      for (let i = 0; i < ends.length; i++) for (let j = i + 1; j < ends.length; j++)
        if ((ends[i][0] - ends[j][0]) * (ends[i][1] - ends[j][1]) < 0) count++;
    }
    return count;
  }

  // Lay out one level. items: {w, h, order, port}; links: {a, b, oa, ob}, where oa and ob are the offsets of the ends
  // from the items' middles. Sets x and y of items (middles) and `way` of links; returns the bounding box.
  function layered(items, links, options) {
    items.sort((a, b) => a.order - b.order);
    const layers = [];
    const add = v => { (layers[v.r] = layers[v.r] || []).push(v); };
    for (const v of rank(items, links)) { v.up = []; v.down = []; add(v); }
    for (const e of links) {
      e.way = [];
      if (e.back) continue;
      let p = e.a, off = e.oa;
      for (let r = e.a.r + 1; r < e.b.r; r++) {
        const d = { dummy: true, r, w: 0, h: LANE, up: [[p, off]], down: [], order: e.a.order };
        p.down.push([d, 0, off]);
        add(d);
        e.way.push(d);
        p = d;
        off = 0;
      }
      p.down.push([e.b, e.ob, off]);
      e.b.up.push([p, off, e.ob]);
    }
    for (let i = 0; i < layers.length; i++) layers[i] = layers[i] || [];
    orderLayers(layers, links.length);
    const rows = broken(layers, options);
    for (const row of rows) placeAcross(row);
    return placeAlong(rows, items, links);
  }

  function orderLayers(layers, count) {
    const number = layer => layer.forEach((v, i) => { v.o = i; });
    layers.forEach(number);
    const judge = count < 300;
    let best = judge ? crossings(layers) : Infinity, kept = layers.map(layer => layer.slice());
    for (let sweep = 0; sweep < 12 && best; sweep++) {
      const forward = sweep % 2 === 0;
      for (let i = 0; i < layers.length; i++) {
        const layer = layers[forward ? i : layers.length - 1 - i];
        for (const v of layer) {
          const near = forward ? v.up : v.down;
          v.k = near.length ? mean(near, ([w, off]) => w.o + (w.h ? off / w.h * .8 : 0)) : v.o;
        }
        layer.sort((a, b) => a.k - b.k || a.o - b.o);
        number(layer);
      }
      const now = judge ? crossings(layers) : Infinity;
      if (now < best || !judge) { best = judge ? now : Infinity; kept = layers.map(layer => layer.slice()); }
    }
    kept.forEach((layer, i) => { layers[i] = layer; number(layer); });
  }

  const apart = (a, b) => (a.h + b.h) / 2 + SEP;

  // How much an item insists on its place: what flows through should run straight; leaves, mostly parameters, give way.
  const insists = v => v.dummy ? .01 : !v.port && !v.up.length ? .0005 : 1;

  // Put a layer where its items want to be, as nearly as their distances allow: weighted isotonic regression, by pooling
  // neighbours that are in each other's way (Kruskal, 1964).
  function settle(layer, want) {
    const blocks = [], offsets = [];
    layer.forEach((v, i) => {
      offsets[i] = i ? offsets[i - 1] + apart(layer[i - 1], v) : 0;
      let block = { weight: v.weight, sum: v.weight * (want[i] - offsets[i]), n: 1 };
      for (let last = blocks.at(-1); last && last.sum / last.weight >= block.sum / block.weight; last = blocks.at(-1)) {
        blocks.pop();
        block = { weight: last.weight + block.weight, sum: last.sum + block.sum, n: last.n + block.n };
      }
      blocks.push(block);
    });
    let i = 0;
    for (const { sum, weight, n } of blocks) for (let k = 0; k < n; k++, i++) layer[i].y = sum / weight + offsets[i];
  }

  function placeAcross(row) {
    const { layers } = row;
    for (const layer of layers) {
      for (const v of layer) v.weight = insists(v);
      settle(layer, layer.map(() => 0));
    }
    for (let sweep = 0; sweep < 24; sweep++) {
      const forward = sweep % 2 === 0;
      for (let i = 0; i < layers.length; i++) {
        const layer = layers[forward ? i : layers.length - 1 - i];
        settle(layer, layer.map(v => {
          let sum = 0, weight = 0;
          for (const [w, off, own] of forward ? v.up : v.down) if (w.row === row) { sum += w.weight * (w.y + off - (own || 0)); weight += w.weight; }
          return weight ? sum / weight : v.y;
        }));
      }
    }
    close(layers.flat());
  }

  // Take out bands in which nothing stands.
  function close(items) {
    let end = Infinity, shift = 0;
    for (const v of items.sort((a, b) => a.y - a.h / 2 - b.y + b.h / 2)) {
      const top = v.y - v.h / 2;
      if (top > end + 2 * SEP) shift += top - end - 2 * SEP;
      end = Math.max(end === Infinity ? -Infinity : end, top + v.h);
      v.y -= shift;
    }
  }

  // Positions along the flow. A level that is longer than `limit` is broken into rows, like text.
  function broken(layers, { gap, limit, least }) {
    const widths = layers.map(layer => layer.reduce((w, v) => Math.max(w, v.w), 0));
    const after = r => widths[r] && widths[r + 1] ? gap : INNER, breaks = most => {
      const starts = [];
      let x = 0, n = 0;
      widths.forEach((w, r) => {
        if (!r || (w && x + w > most && n >= least)) { starts.push(r); x = n = 0; }
        x += w + after(r);
        n++;
      });
      return starts;
    };
    let starts = breaks(limit);
    if (starts.length > 1) for (let most = limit / 2; most < limit; most += limit / 24) { // rows of one length, as in good type
      const even = breaks(most);
      if (even.length === starts.length) { starts = even; break; }
    }
    const rows = [];
    let x = 0, row = null;
    layers.forEach((layer, r) => {
      if (starts.includes(r)) {
        rows.push(row = { layers: [], cross: [] });
        x = 0;
      }
      for (const v of layer) { v.x = x + widths[r] / 2; v.row = row; v.span = widths[r]; }
      row.layers.push(layer);
      row.end = x + widths[r];
      x += widths[r] + after(r);
    });
    return rows;
  }

  // Put the rows below each other; the edges that cross a break run around in lanes between them.
  function placeAlong(rows, items, links) {
    if (rows.length < 2) return bounds(items);
    for (const e of links) {
      if (e.back) continue;
      const stops = [e.a, ...e.way, e.b];
      for (let i = 1; i < stops.length; i++)
        if (stops[i - 1].row !== stops[i].row) stops[i - 1].row.cross.push({ e, from: stops[i - 1], to: stops[i], i });
    }
    const right = Math.max(...rows.map(row => row.end));
    let y = 0;
    for (const row of rows) {
      const all = row.layers.flat(), y0 = Math.min(...all.map(v => v.y - v.h / 2));
      for (const v of all) v.y += y - y0;
      row.bottom = Math.max(...all.map(v => v.y + v.h / 2));
      y = row.bottom + 2 * SEP + LANE * row.cross.length + 12;
    }
    for (const { cross, bottom } of rows) {
      cross.sort((a, b) => b.from.y - a.from.y);
      const inserts = new Map();
      cross.forEach(({ e, i }, k) => {
        const turn = 20 + LANE * k, bend = { bend: true, x0: -turn, x1: right + turn, y: bottom + SEP + 6 + LANE * k };
        if (!inserts.has(e)) inserts.set(e, []);
        inserts.get(e).push([i - 1, bend]);
      });
      for (const [e, list] of inserts) for (const [i, bend] of list) {
        const past = e.way.filter(p => p.bend).length;
        e.way.splice(i + past, 0, bend);
      }
    }
    const box = bounds(items), lanes = Math.max(...rows.map(row => row.cross.length));
    return { ...box, x0: Math.min(box.x0, -20 - LANE * lanes), x1: Math.max(box.x1, right + 20 + LANE * lanes) };
  }

  function bounds(items) {
    let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
    for (const v of items) {
      x0 = Math.min(x0, v.x - v.w / 2);
      x1 = Math.max(x1, v.x + v.w / 2);
      y0 = Math.min(y0, v.y - v.h / 2);
      y1 = Math.max(y1, v.y + v.h / 2);
    }
    return { x0, x1, y0, y1 };
  }

  // nodes: [{scope, parents}], size: card → {w, h, inlet}; options: {direction, gap, limit: length of a
  // row, least: ranks that a row has at least}. The result holds cards and open module boxes with x, y (top left), w, h,
  // and edges with their path in SVG's notation.
  function layout(nodes, scopes, folded, size, options = {}) {
    const across = options.direction === 'TB', limit = options.limit || Infinity;
    const { cards, of, edges } = visible(nodes, scopes, folded);
    const gap = options.gap || (cards.size <= 40 ? 118 : 74);
    const levels = new Map();
    const level = i => {
      if (!levels.has(i)) {
        levels.set(i, { scope: i, items: [], links: new Map(), ports: new Map(), order: Infinity });
        if (i >= 0) level(scopes[i].parent).items.push(levels.get(i));
      }
      return levels.get(i);
    };
    for (const card of cards.values()) {
      Object.assign(card, size(card));
      if (across) [card.w, card.h] = [card.h, card.w];
      const at = level(card.home);
      at.items.push(card);
      for (let i = card.home; ; i = scopes[i].parent) {
        level(i).order = Math.min(level(i).order, card.order);
        if (i < 0) break;
      }
    }
    const chain = i => { const path = []; for (; i >= 0; i = scopes[i].parent) path.push(i); path.push(-1); return path; };
    const link = (at, a, b) => {
      const key = a.id + '>' + b.id, links = levels.get(at).links;
      if (!links.has(key)) links.set(key, { a, b, oa: 0, ob: 0 });
      return links.get(key);
    };
    let id = 0;
    for (const card of cards.values()) card.id = id++;
    for (const box of levels.values()) box.id = id++;
    const port = (at, card, side) => {
      const ports = levels.get(at).ports, key = side + card.key;
      if (!ports.has(key)) ports.set(key, { id: id++, port: side, w: 0, h: LANE, order: card.order });
      return ports.get(key);
    };
    for (const e of edges.values()) {
      const out = chain(e.a.home), into = chain(e.b.home);
      while (out.length > 1 && into.length > 1 && out.at(-2) === into.at(-2)) { out.pop(); into.pop(); }
      const top = out.pop();
      into.pop();
      e.legs = [];
      let from = e.a;
      for (const at of out) {
        const p = port(at, e.a, 1);
        e.legs.push([at, link(at, from, p), p]);
        from = levels.get(at);
      }
      const target = into.length ? levels.get(into.at(-1)) : e.b, main = link(top, from, target);
      (main.crossing = main.crossing || []).push(e);
      e.legs.push([top, main, null]);
      for (let k = into.length - 1; k >= 0; k--) {
        const p = port(into[k], e.a, -1);
        e.legs.push([into[k], link(into[k], p, k ? levels.get(into[k - 1]) : e.b), p]);
      }
    }
    const title = across ? { l: TITLE, t: PAD } : { l: PAD, t: TITLE };
    const deepestFirst = [...levels.values()].sort((a, b) => chain(b.scope).length - chain(a.scope).length);
    for (const at of deepestFirst) {
      const items = [...at.items, ...at.ports.values()], links = [...at.links.values()], root = at.scope < 0;
      for (const l of links) { // where an edge leaves or enters a box: its lane's offset from the box's middle
        const lane = (box, side, key) => { const p = box.ports && box.ports.get(side + key); return p ? p.y + box.shift : 0; };
        const keys = (l.crossing || []).map(e => e.a.key);
        l.oa = keys.length ? mean(keys, k => lane(l.a, 1, k)) : 0;
        l.ob = keys.length ? mean(keys, k => lane(l.b, -1, k)) : 0;
        if (l.a.port < 0 && l.b.ports) for (const [k, p] of at.ports) if (p === l.a) l.ob = lane(l.b, -1, k.slice(2));
        if (l.b.port > 0 && l.a.ports) for (const [k, p] of at.ports) if (p === l.b) l.oa = lane(l.a, 1, k.slice(1));
      }
      const nested = chain(at.scope).length - 1;
      const b = layered(items, links, { gap, limit: limit - nested * 2 * PAD, least: options.least || 2 });
      const pad = root ? { l: 0, t: 0, e: 0 } : { ...title, e: PAD };
      at.w = b.x1 - b.x0 + pad.l + pad.e + (root || !at.ports.size ? 0 : 2);
      at.h = b.y1 - b.y0 + pad.t + pad.e;
      at.dx = pad.l - b.x0;
      at.dy = pad.t - b.y0;
      at.shift = at.dy - at.h / 2;
    }
    const boxes = new Map(), place = (at, left, top) => {
      at.ox = left + at.dx;
      at.oy = top + at.dy;
      if (at.scope >= 0) boxes.set(at.scope, { scope: at.scope, x: left, y: top, w: at.w, h: at.h });
      for (const v of at.items) {
        const x = v.x + at.ox - v.w / 2, y = v.y + at.oy - v.h / 2;
        if (v.links) place(v, x, y);
        else { v.X = x; v.Y = y; }
      }
    };
    if (levels.has(-1)) place(levels.get(-1), 0, 0);
    for (const v of cards.values()) { v.x = v.X; v.y = v.Y; }
    for (const e of edges.values()) trace(e, levels, across);
    if (across) for (const v of [...cards.values(), ...boxes.values()]) {
      [v.x, v.y, v.w, v.h] = [v.y, v.x, v.h, v.w];
    }
    const { w, h } = levels.get(-1) || { w: 1, h: 1 };
    return { cards, of, edges, boxes, bounds: { x0: 0, x1: across ? h : w, y0: 0, y1: across ? w : h }, direction: across ? 'TB' : 'LR' };
  }

  // The path of an edge: through the lanes of the modules that it leaves and enters.
  function trace(e, levels, across) {
    const { a, b } = e, points = [{ x: a.x + a.w, y: a.y + a.h / 2 }];
    let back = false;
    for (const [at, l, p] of e.legs) {
      const { ox, oy } = levels.get(at), stop = q => {
        const half = q.dummy || q.port ? q.span / 2 : 0; // straight past the cards of its rank
        points.push({ x: q.x + ox - half, y: q.y + oy });
        if (half) points.push({ x: q.x + ox + half, y: q.y + oy });
      };
      if (p && p.port < 0) stop(p);
      back = back || l.back;
      for (const q of l.way) {
        if (q.bend) points.push({ bend: true, x0: q.x0 + ox, x1: q.x1 + ox, y: q.y + oy });
        else stop(q);
      }
      if (p && p.port > 0) stop(p);
    }
    points.push({ x: b.x - (b.inlet || 0), y: b.y + b.h / 2 });
    if (back) {
      const first = points[0], last = points.at(-1), y = Math.max(a.y + a.h, b.y + b.h) + 34;
      points.splice(1, points.length, { bend: true, x0: last.x - 18, x1: first.x + 18, y }, last);
    }
    const at = (x, y) => across ? `${round(y)} ${round(x)}` : `${round(x)} ${round(y)}`;
    let d = 'M' + at(points[0].x, points[0].y), x = points[0].x, y = points[0].y;
    for (let i = 1; i < points.length; i++) {
      const q = points[i];
      if (q.bend) {
        const to = points[i + 1], next = to.bend ? { x: q.x0, y: to.y } : to, R = 8, s = q.y > y ? R : -R, t = next.y > q.y ? R : -R;
        d += `L${at(q.x1 - R, y)}Q${at(q.x1, y)} ${at(q.x1, y + s)}L${at(q.x1, q.y - s)}Q${at(q.x1, q.y)} ${at(q.x1 - R, q.y)}`;
        d += `L${at(q.x0 + R, q.y)}Q${at(q.x0, q.y)} ${at(q.x0, q.y + t)}L${at(q.x0, next.y - t)}Q${at(q.x0, next.y)} ${at(q.x0 + R, next.y)}`;
        x = q.x0 + R;
        y = next.y;
        continue;
      }
      const half = (x + q.x) / 2;
      d += `C${at(half, y)} ${at(half, q.y)} ${at(q.x, q.y)}`;
      x = q.x;
      y = q.y;
    }
    e.d = d;
    const second = points[1], near = second.bend ? { x: second.x1, y: points[0].y } : second;
    e.start = turn(points[0], across);
    e.next = turn(near, across);
  }

  const turn = (p, across) => across ? { x: p.y, y: p.x } : { x: p.x, y: p.y };
  const round = x => Math.round(x * 10) / 10;

  // Move labels {x, y, w, h} (middles: where they would like to be) to the nearest free place: clear of the rectangles
  // in `taken` {x, y, w, h} (top left) and of each other, and between x0 and x1.
  function place(labels, taken, { x0, x1 } = { x0: -Infinity, x1: Infinity }) {
    const busy = taken.map(r => [r.x - 3, r.y - 3, r.x + r.w + 3, r.y + r.h + 3]);
    return labels.map(label => {
      const spot = free(label, busy, x0, x1);
      busy.push([spot.x - label.w / 2 - 3, spot.y - label.h / 2 - 3, spot.x + label.w / 2 + 3, spot.y + label.h / 2 + 3]);
      return spot;
    });
  }

  function free({ x, y, w, h }, busy, x0, x1) {
    const hit = (p, q) => p - w / 2 < x0 || p + w / 2 > x1 || busy.some(r => p - w / 2 < r[2] && p + w / 2 > r[0] && q - h / 2 < r[3] && q + h / 2 > r[1]);
    for (let ring = 0; ring < 400; ring++) {
      let best = null;
      for (let i = -ring; i <= ring; i++) {
        const sides = Math.abs(i) === ring ? Array.from({ length: 2 * ring + 1 }, (_, k) => k - ring) : [-ring, ring];
        for (const j of sides) {
          const p = x + i * 12, q = y + j * 8, far = (i * 12) ** 2 + (j * 8) ** 2;
          if ((!best || far < best.far) && !hit(p, q)) best = { x: p, y: q, far };
        }
      }
      if (best) return { x: best.x, y: best.y };
    }
    return { x, y };
  }

  return { visible, autoFold, layout, place };
})();
if (typeof module === 'object') module.exports = Layout;
