// The page: draws what `Layout` placed and `Timeline` says, and listens.
(() => {
  'use strict';
  const T = Timeline, { fill, h, s, text, set, icon, button } = Elements, root = document.getElementById('ag-root');
  const payload = JSON.parse(window.autogradData), record = T.decode(payload), { nodes, scopes } = record;
  let time = T.timeline(record), { marks } = T.health(record);
  const MOST = 48, TOO_MANY = 1200, GLYPH = 14, LARGEST = 1.3; // cards shown at first, and at all; half of an op's sign; scale of the picture
  const reduced = matchMedia('(prefers-reduced-motion: reduce)'), theme = Elements.theme(root);
  let at = 0, playing = null, pinned = null, query = '', hits = [], hit = -1, direction = null, view = null, drawn = null, changed = {};
  let folded = Layout.autoFold(nodes, scopes, MOST);

  // ---- elements ---------------------------------------------------------------------------------------------------

  const PLAY = 'M4 2.5v11l9-5.5z', PAUSE = 'M4 3h2.6v10H4zM9.4 3H12v10H9.4z';
  const playText = h('span', {}, 'Play'), playIcon = icon(PLAY);
  const play = h('button', { type: 'button', class: 'play', title: 'Play or pause (Space)', 'aria-pressed': 'false', onclick: () => toggle() }, playIcon, playText);
  const search = h('input', { type: 'search', placeholder: 'Find  ( / )', 'aria-label': 'Find a value, op or module', oninput: () => find(), onkeydown: e => { if (e.key === 'Enter') nextHit(e.shiftKey ? -1 : 1); } });
  const found = h('span', { class: 'found num', role: 'status' });
  const foldButton = button('Fold', 'Fold or unfold all modules (c)', () => foldAll()), turnButton = button('↓', 'Flow', () => turn());
  const live = h('div', { class: 'sr', 'aria-live': 'polite', 'aria-atomic': 'true' });
  const side = h('aside', { class: 'side', 'aria-label': 'Explanation', tabindex: 0 });
  const svg = s('svg', { role: 'group', 'aria-label': `Graph: ${T.plural(nodes.length, 'value')}` });
  const marker = (id, c) => s('marker', { id, class: c, viewBox: '0 0 8 8', refX: 6.4, refY: 4, markerWidth: 11, markerHeight: 11, markerUnits: 'userSpaceOnUse', orient: 'auto-start-reverse' }, s('path', { d: 'M0 .8L7 4 0 7.2z' }));
  const defs = s('defs', {}, marker('ag-f', 'mf'), marker('ag-b', 'mb'));
  const layers = Object.fromEntries(['boxes', 'edges', 'cards', 'titles', 'pills'].map(name => [name, s('g', { class: name })]));
  svg.append(defs, ...Object.values(layers));
  const stage = h('div', { class: 'stage' }, svg);
  const range = h('input', { type: 'range', min: 0, max: time.last, value: 0, 'aria-label': 'Step', oninput: () => go(+range.value) });
  const count = h('span', { class: 'num count' });
  const forwardLabel = h('span', { class: 'fw' }, 'forward: values →'), backLabel = h('span', { class: 'bw' }, '← backward: gradients');
  forwardLabel.style.flex = String(time.seed);
  backLabel.style.flex = String(Math.max(0, time.last + 1 - time.seed));

  root.append(
    h('div', { class: 'bar', role: 'toolbar', 'aria-label': 'Explorer' },
      h('h1', { title: record.title }, record.title),
      h('div', { class: 'steps' },
        button(icon('M3 2v12M13 2L6 8l7 6z'), 'First step (Home)', () => go(0)), button(icon('M11 2L4 8l7 6z'), 'Step back (←)', () => go(at - 1)), play,
        button(icon('M5 2l7 6-7 6z'), 'Step forward (→)', () => go(at + 1)), button(icon('M13 2v12M3 2l7 6-7 6z'), 'Last step (End)', () => go(time.last))),
      h('span', { class: 'space' }), found, search, scopes.length ? foldButton : null, turnButton,
      button('−', 'Zoom out (−)', () => zoom(1.25), { class: 'wide' }), button('+', 'Zoom in (+)', () => zoom(.8), { class: 'wide' }),
      button('Fit', 'Fit the graph (0)', () => fit()), button(icon('M8 1.5a6.5 6.5 0 1 0 0 13zM8 1.5v13'), 'Light or dark (d)', () => theme())),
    stage, side,
    h('div', { class: 'time' }, h('div', { class: 'track' }, range, h('div', { class: 'labels', 'aria-hidden': 'true' }, forwardLabel, record.back.length ? backLabel : null)), count),
    live);
  root.setAttribute('role', 'main');

  // ---- cards ------------------------------------------------------------------------------------------------------

  const ruler = document.createElement('canvas').getContext('2d');
  ruler.font = '650 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  const wide = name => ruler.measureText(name).width;
  function cut(name, room) {
    if (wide(name) <= room) return name;
    const letters = [...name];
    let n = letters.length;
    while (n && wide(letters.slice(0, n).join('') + '…') > room) n--;
    return letters.slice(0, n).join('') + '…';
  }
  const tensor = n => !T.isScalar(n.data) && n.data && n.data.text === undefined;
  const glyph = n => Math.max(2 * GLYPH, [...n.label].length * 5.9 + 13); // the width of an op's sign
  const bare = n => n.kind === 'const' && !n.name && T.isScalar(n.data);
  function size(card) {
    if (card.scope >= 0) return { w: 176, h: 56, inlet: 2 };
    const n = nodes[card.node], inlet = !n.op ? 2 : tall() ? 22 : glyph(n) - GLYPH + 3;
    return bare(n) ? { w: 78, h: 30, inlet } : tensor(n) ? { w: 178, h: 94, inlet } : { w: tall() ? 118 : 136, h: 56, inlet };
  }
  const least = () => tall() ? .6 : .75; // the scale at which text can still be read
  const tall = () => (direction || (stage.clientWidth < 560 ? 'TB' : 'LR')) === 'TB';

  function bars(summary, x, y, w, height, kind) {
    const g = s('g', { 'aria-hidden': 'true' });
    if (!summary) return g;
    const { hist, values } = summary, list = hist || (values && values.map(v => Number.isFinite(+v) ? +v : 0));
    if (!list || !list.length) return g;
    const most = Math.max(...list.map(Math.abs)) || 1, step = w / list.length, low = !hist && list.some(v => v < 0), high = !hist && list.some(v => v > 0);
    const base = !low ? y + height : !high ? y : y + height / 2, reach = low && high ? height / 2 : height;
    list.forEach((v, i) => {
      const b = Math.max(.7, Math.abs(v) / most * reach);
      g.append(s('rect', { class: 'spark ' + kind, x: (x + i * step).toFixed(1), y: (v < 0 ? base : base - b).toFixed(1), width: Math.max(.8, step - .8).toFixed(1), height: b.toFixed(1) }));
    });
    return g;
  }

  function drawCard(card) {
    const n = card.scope < 0 ? nodes[card.node] : null, { w, h: H } = card;
    const g = s('g', { tabindex: 0, role: 'button', 'data-k': card.key, transform: `translate(${card.x.toFixed(1)} ${card.y.toFixed(1)})` });
    card.g = g;
    card.mark = T.worst(card.nodes.map(i => marks[i]));
    g.append(s('rect', { class: 'card', width: w, height: H, rx: 10 }));
    if (!n || !n.op || tall()) g.append(s('rect', { class: 'tab', x: 0, y: H < 40 ? 7 : 10, width: 4, height: H - (H < 40 ? 14 : 20), rx: 2 }));
    if (!n) {
      const inner = card.nodes.length, params = card.nodes.filter(i => nodes[i].kind === 'param').length;
      g.setAttribute('aria-expanded', 'false');
      g.append(s('rect', { class: 'deck', x: 5, y: H, width: w - 10, height: 4, rx: 2 }), text('▸ ' + cut(scopes[card.scope].name, 142), { class: 'name', x: 14, y: 23 }),
        text(`${T.plural(inner, 'value')}${params ? ` · ${T.plural(params, 'param')}` : ''}`, { class: 'shape', x: 14, y: 42 }));
      card.first = Math.min(...card.nodes.map(i => time.when[i]));
    } else {
      card.first = time.when[n.id];
      g.setAttribute('aria-pressed', 'false');
      if (n.op) {
        const span = glyph(n), r = tall() ? 13 : GLYPH, [cx, cy] = tall() ? [w / 2, -8] : [GLYPH - span / 2, H / 2], small = [...n.label].length > 2;
        g.append(s('rect', { class: 'glyph', x: cx - span / 2, y: cy - r, width: span, height: 2 * r, rx: r }), text(n.label.replace('-', '−'), { class: small ? 'sym small' : 'sym', x: cx, y: cy + (small ? 3.4 : 4.4) }));
      }
      const x = n.op && !tall() ? 20 : 13;
      if (bare(n)) g.append(card.data = text('', { class: 'v d', x: w / 2 + 2, y: 19, 'text-anchor': 'middle' }));
      else {
        const dims = T.shapeText(n.data), isTensor = tensor(n), room = w - x - 9 - (isTensor ? dims.length * 6.6 + 8 : 0);
        const number = n.name || !n.op ? '' : n.title.slice(n.op.length), name = text(cut(n.name || n.op || n.title, room), { class: 'name', x, y: 18 });
        if (number && wide(n.title) <= room) name.append(s('tspan', { class: 'nth' }, number));
        g.append(name);
        if (isTensor) {
          g.append(text(dims, { class: 'shape', x: w - 9, y: 18, 'text-anchor': 'end' }));
          [['data', 27], ['grad', 60]].forEach(([key, y]) => {
            card[key] = text('', { class: 'v', x, y: y + 24 });
            card[key + 'Bars'] = s('g');
            g.append(text(key, { class: 'k', x, y: y + 11 }), card[key], card[key + 'Bars']);
          });
        } else [['data', 34], ['grad', 49]].forEach(([key, y]) => {
          card[key] = text('', { class: 'v', x: w - 10, y, 'text-anchor': 'end' });
          g.append(text(key, { class: 'k', x, y }), card[key]);
        });
      }
    }
    if (card.mark) g.append(text('⚠ ' + card.mark.text, { class: 'flag', x: w - 4, y: -5, 'text-anchor': 'end' }));
    const act = () => card.scope >= 0 ? unfold(card.scope) : pin(card.node);
    g.addEventListener('click', () => { if (!dragged) act(); });
    g.addEventListener('keydown', e => { if (e.key === 'Enter') { e.preventDefault(); act(); } });
    return g;
  }

  function fillCard(card) {
    if (card.scope >= 0) return;
    for (const key of ['data', 'grad']) {
      const e = card[key];
      if (!e) continue;
      const value = key === 'data' ? time.data(card.node, at) : time.grad(card.node, at);
      if (card[key + 'Shown'] === value && e.textContent) continue;
      card[key + 'Shown'] = value;
      const isTensor = !!card[key + 'Bars'];
      set(e, !value ? '·' : !isTensor || T.isScalar(value) ? T.brief(value) : value.nan || value.inf ? T.brief(value) : value.partial ? 'adding …' : 'μ ' + T.format(value.mean));
      e.setAttribute('class', `v ${value ? key[0] : 'pending'}`);
      if (isTensor) card[key + 'Bars'].replaceChildren(bars(value, card.w - 72, key === 'data' ? 29 : 62, 62, 23, key[0]));
    }
  }

  // ---- the picture ------------------------------------------------------------------------------------------------

  function relayout(keep = false) {
    const focus = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.k : null;
    const down = tall(), few = Layout.visible(nodes, scopes, folded).cards.size <= 40, W = stage.clientWidth;
    const place = (gap, limit, least) => { drawn = Layout.layout(nodes, scopes, folded, size, { direction: down ? 'TB' : 'LR', gap, limit, least }); return drawn.bounds.x1 - drawn.bounds.x0 + 60; };
    const longest = W / least(), gap = down ? few ? 74 : 62 : few ? 104 : 78;
    if (down) place(gap, Infinity);
    else if (!few || ![122, 104, 88].some((gap, i) => place(gap, Infinity) <= (i < 2 ? W : longest))) { // in one row if that can be read
      const limit = Math.max(700, longest - 60), wide = place(gap, limit); // a module that fills a row leaves no room beside it
      if (wide > longest && drawn.cards.size < 300 && place(gap, Math.max(420, limit + longest - wide)) > longest) place(gap, limit - 30, 1);
    }
    set(turnButton, down ? '→' : '↓');
    turnButton.setAttribute('title', down ? 'Flow from left to right' : 'Flow from top to bottom');
    turnButton.setAttribute('aria-label', (down ? '→' : '↓') + turnButton.title.slice(4));
    set(foldButton, drawn.cards.size < widest ? 'Unfold' : 'Fold');
    svg.classList.toggle('many', drawn.cards.size > 60);
    layers.boxes.replaceChildren();
    layers.titles.replaceChildren();
    drawn.titles = [];
    for (const box of drawn.boxes.values()) {
      const name = '▾ ' + cut(scopes[box.scope].name, Math.max(70, box.w - 40)), w = Math.min(box.w - 8, wide(name) + 10);
      layers.boxes.append(s('rect', { class: 'box', 'data-box': box.scope, 'data-parent': scopes[box.scope].parent, x: box.x, y: box.y, width: box.w, height: box.h, rx: 12 }));
      const title = s('g', { class: 'title', tabindex: 0, role: 'button', 'aria-expanded': 'true', 'data-k': 'b' + box.scope }, s('rect', { x: box.x + 4, y: box.y + 3, width: w, height: 18, rx: 6 }), text(name, { x: box.x + 9, y: box.y + 16 }));
      const act = () => fold(box.scope);
      title.addEventListener('click', () => { if (!dragged) act(); });
      title.addEventListener('keydown', e => { if (e.key === 'Enter') { e.preventDefault(); act(); } });
      layers.titles.append(title);
      drawn.titles.push({ x: box.x + 4, y: box.y + 3, w, h: 18 });
    }
    drawn.links = new Map();
    layers.edges.replaceChildren(...[...drawn.edges.values()].map(e => {
      for (const [p, c] of e.links) drawn.links.set(p + '>' + c, e);
      return e.path = s('path', { class: 'edge', d: e.d });
    }));
    layers.cards.replaceChildren(...[...drawn.cards.values()].map(drawCard));
    drawn.active = [];
    if (!keep || !view) fit();
    paint();
    const target = focus && svg.querySelector(`[data-k="${focus}"]`);
    if (target) target.focus({ preventScroll: true });
  }

  function paint() {
    const step = time.steps[at], back = time.isBack(at), current = step.node === undefined ? null : drawn.of[step.node];
    root.classList.toggle('back', back);
    const targets = new Set(step.kind === 'backward' ? step.edges.map(e => drawn.of[e.to]) : []);
    for (const card of drawn.cards.values()) {
      fillCard(card);
      const kind = card.scope >= 0 ? 'group' : nodes[card.node].kind;
      const states = ['node', kind, card.first <= at ? '' : 'off', card === current ? 'cur' : '', targets.has(card) ? 'tgt' : '', card.mark ? card.mark.level : '', pinned !== null && drawn.of[pinned] === card ? 'sel' : '', query && card.nodes.some(i => hits.includes(i)) ? 'hit' : ''].filter(Boolean).join(' ');
      if (card.states !== states) card.g.setAttribute('class', card.states = states);
      if (card.scope < 0) card.g.setAttribute('aria-pressed', String(pinned === card.node));
    }
    for (const e of drawn.active) fill(e.path, { class: 'edge', 'marker-end': 'none', 'marker-start': 'none' }, []);
    drawn.active = [];
    const light = (p, c, kind) => {
      const e = drawn.links.get(p + '>' + c);
      if (!e) return null;
      fill(e.path, { class: 'edge ' + kind, [kind === 'f' ? 'marker-end' : 'marker-start']: `url(#ag-${kind})` }, []);
      layers.edges.append(e.path);
      drawn.active.push(e);
      return e;
    };
    if (step.kind === 'forward') for (const p of nodes[step.node].parents) light(p, step.node, 'f');
    const labels = [];
    if (step.kind === 'backward') for (const edge of step.edges) {
      const e = light(edge.to, step.node, 'b');
      if (e) labels.push({ edge, e });
    }
    paintPills(labels, step);
    range.value = at;
    range.setAttribute('aria-valuetext', `${at} of ${time.last}: ${T.describe(time, at).phase}`);
    set(count, `${at} / ${time.last}`);
    explain();
  }

  function paintPills(labels, step) {
    const down = drawn.direction === 'TB', CH = 6.5;
    const wanted = labels.map(({ edge, e }) => {
      const c = edge.contribution, scalar = T.isScalar(c) && edge.value !== null && T.isScalar(step.upstream);
      const left = scalar ? `${T.format(step.upstream.v)} × ${T.signed(T.format(edge.value))}` : T.brief(step.upstream), right = (scalar ? '= ' : '→ ') + T.brief(c);
      const room = down ? 220 : Math.hypot(e.next.x - e.start.x, e.next.y - e.start.y) - 22, one = `${left} ${right}`.length * CH + 16 <= room;
      const lines = one ? [`${left} ${right}`] : [left, right], w = Math.max(...lines.map(l => l.length)) * CH + 16, H = lines.length * 14 + 7;
      const x = down ? e.start.x : e.start.x + w / 2 + 9, y = down ? e.start.y + H / 2 + 9 : e.start.y;
      return { x, y, w, h: H, lines, left, right };
    });
    const taken = wanted.length ? [...[...drawn.cards.values()].map(c => {
      const left = down ? 0 : c.inlet, above = Math.max(down ? c.inlet : 0, c.mark ? 16 : 0); // with its sign and its flag
      return { x: c.x - left, y: c.y - above, w: c.w + left, h: c.h + above };
    }), ...drawn.titles] : [];
    const { x0, x1 } = area(), middle = (x0 + x1) / 2; // inside the picture, if that is not too narrow
    const spots = Layout.place(wanted, taken, { x0: Math.min(x0 + 8, middle - 160), x1: Math.max(x1 - 14, middle + 160) });
    layers.pills.replaceChildren(...wanted.map(({ w, h: H, lines, left, right }, i) => {
      const { x, y } = spots[i], { e } = labels[i], from = e.start;
      const g = s('g', { class: 'pill', 'data-left': left, 'data-right': right });
      if (Math.hypot(x - wanted[i].x, y - wanted[i].y) > 26) g.append(s('path', { class: 'leader', d: `M${from.x} ${from.y}L${x} ${y}` }));
      g.append(s('rect', { x: x - w / 2, y: y - H / 2, width: w, height: H, rx: 9 }));
      lines.forEach((line, k) => g.append(text((k ? ' ' : '') + line, { x, y: y - H / 2 + 14.5 + 14 * k })));
      return g;
    }));
  }

  // ---- the panel --------------------------------------------------------------------------------------------------

  const mono = (content, c = '') => h('span', { class: 'num ' + c }, content);
  const path = scope => scope < 0 ? '' : path(scopes[scope].parent) + (scopes[scope].parent < 0 ? '' : ' / ') + scopes[scope].name;
  const where = n => (n.scope >= 0 ? path(n.scope) + ' / ' : '') + n.title;
  const link = (n, label) => h('button', { type: 'button', class: 'link', onclick: () => { show(n.id); pin(n.id, true); } }, label);

  function explain() {
    const told = T.describe(time, at), parts = [];
    parts.push(h('div', { class: 'phase' }, told.phase), h('h2', {}, told.heading));
    if (told.lead) parts.push(h('p', { class: 'num' }, told.lead));
    for (const block of told.blocks) parts.push(h('div', { class: 'eq' }, block.lines.map(line => typeof line === 'string' ? mono(line) : mono(line.text, 'strong'))));
    if (at === 0) parts.push(...welcome());
    if (told.ill) {
      if (told.origin >= 0) parts.push(h('div', { class: 'eq warn' }, h('b', {}, `${marks[told.origin].text.split(' ')[0]} starts at `), link(nodes[told.origin], where(nodes[told.origin])), '. Everything computed from it inherits it.'));
      const leaves = nodes.filter(n => n.kind === 'param' && n.grad && T.isScalar(n.grad)).slice(0, 12);
      if (leaves.length) parts.push(h('dl', { class: 'num' }, leaves.map(n => [h('dt', {}, link(n, `${n.title}.grad`)), h('dd', { class: 'bw' }, T.brief(n.grad))])));
      if (record.back.length || told.ill.length) parts.push(h('p', {}, told.ill.length ? `${T.plural(told.ill.length, 'value')} need${told.ill.length === 1 ? 's' : ''} attention:` : 'No NaN, vanishing or exploding gradients.'));
      parts.push(h('ul', {}, told.ill.slice(0, 12).map(([id, mark]) => h('li', { class: mark.level }, `⚠ ${mark.text}: `, link(nodes[id], where(nodes[id])))), told.ill.length > 12 ? h('li', {}, `… and ${told.ill.length - 12} more`) : null));
    }
    if (pinned !== null) parts.push(details(nodes[pinned]));
    const focus = side.contains(document.activeElement) ? document.activeElement.dataset.f : null;
    side.replaceChildren(...parts);
    const again = focus && side.querySelector(`[data-f="${focus}"]`);
    if (again) again.focus({ preventScroll: true });
    set(live, told.sentence);
  }

  function welcome() {
    const key = (k, what) => [h('dt', {}, h('kbd', {}, k)), h('dd', {}, what)];
    const dot = (kind, what) => h('li', {}, h('i', { class: 'dot ' + kind }), what);
    return [
      record.note ? h('div', { class: 'eq warn' }, record.note) : null,
      h('p', {}, h('b', { class: 'fw' }, 'Values'), ' flow forward; then ', h('b', { class: 'bw' }, 'gradients'), ' flow back, each the upstream gradient times a local derivative.'),
      h('p', {}, 'Select a card to pin it', record.live ? '; change an input or parameter there, and everything follows' : '', scopes.length ? '; select a module to fold or unfold it' : '', '.'),
      h('ul', { class: 'legend' }, dot('param', 'parameter'), dot('input', 'input'), dot('op', 'op'), dot('loss', 'output')),
      h('dl', { class: 'keys' }, key('→ ←', 'step'), key('Space', 'play'), key('Home End', 'first, last'), key('/', 'find'), key('c', 'fold all'), key('0 + −', 'fit, zoom'), key('d', 'dark')),
    ].filter(Boolean);
  }

  const exact = ({ v, integer }) => integer || !Number.isFinite(v) || Math.abs(v - Number(T.format(v).replace(/−/g, '-'))) < 1e-12 * Math.abs(v) ? T.format(v, integer) : String(+v.toPrecision(record.live ? 12 : 5)).replace(/-/g, '−');

  function numbers(value, kind) {
    if (!value) return h('p', { class: 'pending' }, kind === 'd' ? 'not computed yet' : 'no gradient yet');
    if (T.isScalar(value)) return h('p', { class: 'num big ' + kind }, T.brief(value), exact(value) === T.brief(value) ? null : h('small', {}, ' ' + exact(value)));
    if (value.text !== undefined) return h('p', { class: 'num' }, value.text);
    if (value.partial) return h('p', {}, 'more contributions are to be added');
    const box = h('div', {});
    if (value.values) box.append(table(value, kind));
    else {
      const chart = s('svg', { class: 'chart', viewBox: '0 0 240 44', 'aria-hidden': 'true' });
      chart.append(bars(value, 0, 2, 240, 40, kind));
      box.append(chart);
    }
    const rows = [['min', value.min], ['mean', value.mean], ['max', value.max], ['norm', value.norm]].map(([k, v]) => [h('dt', {}, k), h('dd', {}, T.format(v))]);
    if (value.nan) rows.push([h('dt', {}, 'NaN'), h('dd', {}, String(value.nan))]);
    if (value.inf) rows.push([h('dt', {}, '±∞'), h('dd', {}, String(value.inf))]);
    box.append(h('dl', { class: 'num' }, rows));
    return box;
  }

  function table(value, kind) {
    const columns = value.shape.length ? value.shape[value.shape.length - 1] : 1, rows = [];
    const most = Math.max(...value.values.map(v => Math.abs(v)).filter(Number.isFinite)) || 1;
    for (let i = 0; i < value.values.length; i += columns) rows.push(h('tr', {}, value.values.slice(i, i + columns).map(v => {
      const cell = h('td', {}, T.format(v, value.integer)), share = Math.min(1, Math.abs(v) / most) || 0;
      cell.style.background = `color-mix(in srgb, var(--${kind === 'd' ? 'fwd' : 'bwd'}) ${Math.round(share * 22)}%, transparent)`;
      return cell;
    })));
    return h('div', { class: 'scroll' }, h('table', { class: 'num' }, h('tbody', {}, rows)));
  }

  function details(n) {
    const parts = [h('div', { class: 'phase pin' }, 'Pinned', h('button', { type: 'button', class: 'link', 'data-f': 'unpin', onclick: () => pin(n.id) }, 'unpin')), h('h2', {}, n.title)];
    const kind = { param: 'parameter', input: 'input', const: 'constant', op: 'op', loss: 'output' }[n.kind];
    parts.push(h('p', { class: 'mute' }, [kind, n.scope >= 0 ? 'in ' + path(n.scope) : '', T.shapeText(n.data) || (T.isScalar(n.data) ? 'scalar' : ''), n.dtype].filter(Boolean).join(' · ')));
    if (n.formula) parts.push(h('p', { class: 'num' }, 'out = ' + n.formula), h('p', { class: 'mute' }, 'of ', n.parents.slice(0, 8).flatMap((p, i) => [i ? ', ' : '', link(nodes[p], nodes[p].title)])));
    if (record.live && !n.op && n.dtype !== 'bool') parts.push(lever(n));
    parts.push(h('h3', {}, 'data'), numbers(time.data(n.id, at), 'd'), h('h3', {}, 'grad'), numbers(time.grad(n.id, at), 'g'));
    const got = T.received(time, n.id, at);
    if (got.length) {
      const sum = got.length > 1 && got.every(e => T.isScalar(e.contribution)) ? `grad: ${got.map((e, i) => i ? T.signed(T.brief(e.contribution)) : T.brief(e.contribution)).slice(0, 12).join(' + ')}${got.length > 12 ? ' + …' : ''} = ${T.brief(time.grad(n.id, at))} (shared: gradients add)` : '';
      parts.push(h('h3', {}, 'received: upstream × local = contribution'), h('div', { class: 'eq' }, got.slice(0, 12).map(e => mono([T.named(nodes[e.from]) + ': ', e.value !== null && T.isScalar(e.upstream) && T.isScalar(e.contribution) ? `${T.brief(e.upstream)} × ${T.signed(T.format(e.value))} = ${T.brief(e.contribution)}` : `${T.brief(e.upstream)} → ${T.brief(e.contribution)}`].join(''))), sum ? mono(sum, 'strong') : null));
    }
    if (at === time.last && n.id !== record.root && n.grad) parts.push(...why(n));
    return h('section', { class: 'pinned', 'aria-label': 'Pinned' }, parts);
  }

  // Every path from the output, the product along it, and their sum.
  function why(n) {
    const all = T.paths(time, n.id);
    if (!all) return [];
    const { count, total, paths } = all, few = (list, glue) => (list.length > 10 ? [...list.slice(0, 5), '…', ...list.slice(-4)] : list).join(glue);
    const blocks = paths.map(({ via, factors, product }) => h('div', { class: 'way' },
      h('span', { class: 'mute' }, few(via.map(i => T.named(nodes[i])), ' → ')),
      factors ? mono(`${few(factors.map((f, i) => i ? T.signed(T.format(f)) : T.format(f)), ' × ')}${factors.length > 1 ? ` = ${T.format(product)}` : ''}`) : null));
    const left = count - BigInt(paths.length), sum = paths.reduce((a, p) => a + p.product, 0);
    const more = left ? `${left.toLocaleString('en')} more path${left === 1n ? '' : 's'}` : '';
    const end = total === null ? more && `… and ${more}` :
      count === 1n ? '' : `sum: ${[...paths.map((p, i) => i ? T.signed(T.format(p.product)) : T.format(p.product)), ...(left ? [`${T.signed(T.format(total - sum))} (${more})`] : [])].join(' + ')} = ${T.format(total)}`;
    return [
      h('h3', {}, count === 1n ? 'why: the path from the output' : `why: ${count.toLocaleString('en')} paths from the output, added`),
      total === null ? h('p', { class: 'mute' }, 'Each step multiplies by a matrix of derivatives; explain(output, value, index=…) follows one element in numbers.') : null,
      h('div', { class: 'eq' }, blocks, end ? mono(end, 'strong') : null),
    ].filter(Boolean);
  }

  // ---- values that can be changed ---------------------------------------------------------------------------------

  const given = nodes.map(n => n.data && n.data.v);
  function lever(n) {
    const reach = Math.max(2, Math.ceil(2 * Math.abs(given[n.id])));
    const slider = h('input', { type: 'range', min: -reach, max: reach, step: reach / 200, value: n.data.v, 'aria-label': `${n.title}, slider`, 'data-f': 'slider', oninput: () => change(n.id, +slider.value) });
    const field = h('input', { type: 'number', step: 'any', value: +n.data.v.toPrecision(6), 'aria-label': `${n.title}, value`, 'data-f': 'field', onchange: () => { if (field.value !== '') change(n.id, +field.value); } });
    return h('div', { class: 'lever' }, slider, field, n.id in changed ? h('button', { type: 'button', class: 'link', 'data-f': 'reset', onclick: () => change(null) }, 'reset all') : null);
  }

  function change(id, value) {
    if (id === null) changed = {};
    else if (Number.isFinite(value)) changed[id] = value;
    const leaves = Object.fromEntries(nodes.filter(n => !n.op).map(n => [n.id, n.id in changed ? changed[n.id] : +given[n.id]]));
    const { data, grad, locals } = Formula.recompute(record, leaves);
    for (const n of nodes) {
      n.data = T.scalar(n.dtype === 'bool' ? !!data[n.id] : data[n.id]);
      n.grad = grad[n.id] === null ? null : T.scalar(grad[n.id]);
      if (bare(n)) n.title = T.brief(n.data);
    }
    record.back.forEach((entry, k) => entry.edges.forEach((e, j) => {
      e.value = locals[k][j];
      e.contribution = T.scalar(grad[entry.node] * e.value);
    }));
    time = T.timeline(record);
    const before = marks.map(m => m && m.text).join();
    ({ marks } = T.health(record));
    if (marks.map(m => m && m.text).join() !== before) relayout(true);
    else paint();
  }

  // ---- going about ------------------------------------------------------------------------------------------------

  function go(i) {
    at = Math.max(0, Math.min(time.last, i));
    paint();
    const step = time.steps[at];
    if (step.node !== undefined) reveal([drawn.of[step.node], ...(step.kind === 'backward' ? step.edges.map(e => drawn.of[e.to]) : nodes[step.node].parents.map(p => drawn.of[p]))]);
    if (playing && at === time.last) toggle();
  }

  function toggle() {
    if (playing) { clearInterval(playing); playing = null; }
    else {
      if (at === time.last) go(0);
      playing = setInterval(() => go(at + 1), time.last > 200 ? 350 : 900);
    }
    set(playText, playing ? 'Pause' : 'Play');
    playIcon.firstChild.setAttribute('d', playing ? PAUSE : PLAY);
    play.setAttribute('aria-pressed', String(!!playing));
  }

  function pin(id, keep = false) {
    pinned = pinned === id && !keep ? null : id;
    paint();
    if (pinned !== null) {
      const section = side.querySelector('.pinned');
      if (section && stage.clientWidth > 0) side.scrollTop = Math.max(0, section.offsetTop - side.offsetTop - (side.clientHeight < 350 ? 0 : side.clientHeight * .45));
    }
  }

  function show(id) { // unfold what hides a node, and bring it into view
    const path = new Set();
    for (let i = nodes[id].scope; i >= 0; i = scopes[i].parent) path.add(i);
    if ([...path].some(i => folded.has(i))) { open(path); relayout(true); }
    reveal([drawn.of[id]]);
  }

  // Unfold modules; what they hold stays folded if all of it would be too much: one click must not draw 100,000 cards.
  function open(path) {
    for (const i of path) folded.delete(i);
    if (Layout.visible(nodes, scopes, folded).cards.size <= TOO_MANY) return;
    const inside = new Set(path);
    scopes.forEach((scope, i) => { if (inside.has(scope.parent) && !path.has(i)) { inside.add(i); folded.add(i); } });
  }

  function fold(i) { folded.add(i); refold('b' + i, 's' + i); }
  function unfold(i) { open(new Set([i])); refold('s' + i, 'b' + i); }
  function refold(from, to) { // what was under the pointer stays there
    const middle = () => { const k = svg.querySelector(`[data-k="${from}"]`) || svg.querySelector(`[data-k="${to}"]`); return k ? k.getBoundingClientRect() : null; };
    const before = middle(), focused = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.k === from;
    relayout(true);
    from = to;
    const after = middle();
    if (before && after) pan((after.left - before.left) * view.k, (after.top - before.top) * view.k);
    clampView();
    if (focused) svg.querySelector(`[data-k="${to}"]`)?.focus({ preventScroll: true });
  }

  // As open as the page can draw, and as folded as it began if that is not everything: never a frozen page.
  const parents = new Set(scopes.map(scope => scope.parent)), opened = Layout.autoFold(nodes, scopes, TOO_MANY, false), widest = Layout.visible(nodes, scopes, opened).cards.size;
  function foldAll() {
    folded = drawn.cards.size < widest ? new Set(opened) : opened.size ? Layout.autoFold(nodes, scopes, MOST) : new Set(scopes.map((_, i) => i).filter(i => !parents.has(i)));
    relayout();
  }

  function turn() {
    direction = tall() ? 'LR' : 'TB';
    relayout();
  }

  function find() {
    query = search.value.trim().toLowerCase();
    hits = query ? nodes.filter(n => `${n.title} ${n.op} ${n.kind} ${path(n.scope)}`.toLowerCase().includes(query)).map(n => n.id) : [];
    hit = -1;
    set(found, query ? T.plural(hits.length, 'match').replace('matchs', 'matches') : '');
    paint();
    if (hits.length) reveal([drawn.of[hits[0]]]);
  }

  function nextHit(by) {
    if (!hits.length) return;
    hit = (hit + by + hits.length) % hits.length;
    set(found, `${hit + 1} of ${hits.length}`);
    show(hits[hit]);
    pin(hits[hit], true);
  }

  // ---- the camera -------------------------------------------------------------------------------------------------

  let moving = 0;
  const setView = () => svg.setAttribute('viewBox', `${view.x.toFixed(2)} ${view.y.toFixed(2)} ${view.w.toFixed(2)} ${view.h.toFixed(2)}`);
  function pan(dx, dy) { view.x += dx; view.y += dy; setView(); }

  function glide(x, y, smooth) {
    cancelAnimationFrame(moving);
    const x0 = view.x, y0 = view.y, start = performance.now();
    if (!smooth || reduced.matches || Math.hypot(x - x0, y - y0) < 2) { view.x = x; view.y = y; return setView(); }
    const frame = now => {
      const t = Math.min(1, (now - start) / 200), ease = t * (2 - t);
      view.x = x0 + (x - x0) * ease;
      view.y = y0 + (y - y0) * ease;
      setView();
      if (t < 1) moving = requestAnimationFrame(frame);
    };
    moving = requestAnimationFrame(frame);
  }

  const area = () => { const b = drawn.bounds; return { x0: b.x0 - 34, x1: b.x1 + 26, y0: b.y0 - 30, y1: b.y1 + 26 }; };

  // Where a view of length `span` may begin: the graph in the middle if all of it fits, else nothing but graph in sight.
  const within = (at, span, low, high) => high - low <= span ? (low + high - span) / 2 : Math.min(Math.max(at, low), high - span);

  // Everything if it can be read then; else the beginning, or the current step, at a size that can be read.
  function fit() {
    const { x0, x1, y0, y1 } = area(), W = Math.max(1, stage.clientWidth), H = Math.max(1, stage.clientHeight);
    const k = Math.max(1 / LARGEST, Math.min(Math.max((x1 - x0) / W, (y1 - y0) / H), 1 / least())), w = W * k, hh = H * k;
    cancelAnimationFrame(moving);
    const first = drawn.cards.values().next().value, down = drawn.direction === 'TB';
    view = { x: within(down && first ? first.x + first.w / 2 - w / 2 : x0, w, x0, x1), y: within(!down && first && drawn.bounds.y1 - drawn.bounds.y0 < 2 * hh ? first.y + first.h / 2 - hh / 2 : y0, hh, y0, y1), w, h: hh, k };
    setView();
    const step = time.steps[at];
    if (step.node !== undefined) reveal([drawn.of[step.node]], false);
  }

  function clampView() { // never lose the graph
    const { x0, x1, y0, y1 } = area(), { w, h: H } = view;
    view.x = Math.min(Math.max(view.x, x0 - w * .7), x1 - w * .3);
    view.y = Math.min(Math.max(view.y, y0 - H * .7), y1 - H * .3);
    setView();
  }

  // Bring cards into sight, the first of them whatever the others need.
  function reveal(cards, smooth = true) {
    const around = c => ({ x0: c.x - 30, x1: c.x + c.w + 20, y0: c.y - 24, y1: c.y + c.h + 20 });
    let all = around(cards[0]);
    for (const c of cards.map(around)) {
      const wider = { x0: Math.min(all.x0, c.x0), x1: Math.max(all.x1, c.x1), y0: Math.min(all.y0, c.y0), y1: Math.max(all.y1, c.y1) };
      if (wider.x1 - wider.x0 <= view.w && wider.y1 - wider.y0 <= view.h) all = wider;
    }
    const graph = area();
    let { x, y } = view;
    if (all.x0 < x || all.x1 > x + view.w) x = within((all.x0 + all.x1 - view.w) / 2, view.w, graph.x0, graph.x1);
    if (all.y0 < y || all.y1 > y + view.h) y = within((all.y0 + all.y1 - view.h) / 2, view.h, graph.y0, graph.y1);
    if (x !== view.x || y !== view.y) glide(x, y, smooth);
  }

  function zoom(f, px = .5, py = .5) {
    cancelAnimationFrame(moving);
    f = Math.min(Math.max(f, .2 / view.k), 12 / view.k);
    view.x += view.w * (1 - f) * px;
    view.y += view.h * (1 - f) * py;
    view.w *= f;
    view.h *= f;
    view.k *= f;
    const { x0, x1, y0, y1 } = area();
    if (px === .5 && x1 - x0 <= view.w) view.x = (x0 + x1 - view.w) / 2;
    if (py === .5 && y1 - y0 <= view.h) view.y = (y0 + y1 - view.h) / 2;
    setView();
  }

  let drag = null, dragged = false, pinch = 0;
  const fingers = new Map();
  stage.addEventListener('pointerdown', e => {
    if (e.button) return;
    fingers.set(e.pointerId, e);
    drag = [e.clientX, e.clientY, view.x, view.y];
    dragged = false;
    cancelAnimationFrame(moving);
  });
  addEventListener('pointermove', e => {
    if (!fingers.has(e.pointerId)) return;
    fingers.set(e.pointerId, e);
    if (fingers.size === 2) {
      const [a, b] = [...fingers.values()], r = stage.getBoundingClientRect(), wide = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      if (pinch) zoom(pinch / wide, ((a.clientX + b.clientX) / 2 - r.left) / r.width, ((a.clientY + b.clientY) / 2 - r.top) / r.height);
      pinch = wide;
      dragged = true;
    } else if (drag) {
      const dx = e.clientX - drag[0], dy = e.clientY - drag[1];
      if (Math.abs(dx) + Math.abs(dy) > 4) dragged = true;
      if (dragged) { view.x = drag[2] - dx * view.k; view.y = drag[3] - dy * view.k; setView(); }
    }
  });
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, e => { fingers.delete(e.pointerId); drag = null; pinch = 0; if (dragged) clampView(); });
  stage.addEventListener('wheel', e => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const r = stage.getBoundingClientRect();
    zoom(Math.exp(Math.max(-40, Math.min(40, e.deltaY)) * .006), (e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height);
  }, { passive: false });

  const KEYS = {
    ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1), Home: () => go(0), End: () => go(time.last), ' ': () => toggle(), '/': () => { search.focus(); search.select(); },
    c: () => foldAll(), d: () => theme(), 0: () => fit(), '+': () => zoom(.8), '=': () => zoom(.8), '-': () => zoom(1.25), Escape: () => { if (pinned !== null) pin(pinned); },
  };
  addEventListener('keydown', e => {
    const field = e.target.closest && e.target.closest('input');
    if (field && field !== range) { if (e.key === 'Escape') field.blur(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(KEYS, e.key)) return;
    if (e.key === ' ' && e.target.closest && e.target.closest('button')) return;
    e.preventDefault();
    KEYS[e.key]();
  });
  svg.addEventListener('focusin', e => { // a card that is reached with Tab comes into view
    const card = e.target.dataset && drawn.cards.get(e.target.dataset.k);
    if (card && e.target.matches(':focus-visible')) reveal([card]);
  });

  let width = 0, height = 0;
  new ResizeObserver(() => {
    const W = stage.clientWidth, H = stage.clientHeight;
    if (!drawn || !W || !H || (Math.abs(W - width) < 2 && Math.abs(H - height) < 2)) return;
    const first = !width, across = Math.abs(W - width) > 40;
    [width, height] = [W, H];
    if (first && view && Math.abs(view.w / view.k - W) < 2 && Math.abs(view.h / view.k - H) < 2) return;
    if (across) relayout(); else fit();
  }).observe(stage);

  const start = performance.now();
  relayout();
  root.dataset.ms = (performance.now() - start).toFixed(1);
  root.dataset.ready = '1';
  if (parent !== window) parent.postMessage({ autogradReady: 1 }, '*');
})();
