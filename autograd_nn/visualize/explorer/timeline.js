// Record → what every step shows, as data and as words. Pure: no page. Runs under node too.
//
// Steps: start, each op forward, the seed dL/dL = 1, each op backward in the order that was executed, done.
const Timeline = (() => {
  'use strict';

  // ---- numbers and names ------------------------------------------------------------------------------------------

  const minus = s => s.replace(/-/g, '−');
  const trim = s => s.replace(/(\.\d+?)0+(?=e|$)/, '$1');

  // Four significant digits, no needless zeros, a true minus: −1.5, 1.0, 0.7071, 1.2e−7.
  function format(x, integer) {
    if (x === null || x === undefined) return '·';
    if (x === true || x === false) return String(x);
    if (Number.isNaN(x)) return 'NaN';
    if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
    if (integer) return minus(String(x));
    if (x === 0) return '0.0';
    const a = Math.abs(x);
    if (a >= 99999.5 || a < 9.9995e-4) return minus(trim(x.toExponential(3)).replace('.0e', 'e').replace('e+', 'e'));
    return minus(trim(x.toFixed(a >= 999.95 ? 1 : a >= 99.995 ? 1 : a >= 9.9995 ? 2 : a >= .99995 ? 3 : a >= .099995 ? 4 : a >= .0099995 ? 5 : 6)));
  }

  // Control, formatting and lone surrogate characters as escapes: a name can be anything, and is shown, never obeyed.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;
  function clean(text, most = 60) {
    const shown = String(text).slice(0, 4 * most).replace(HIDDEN, c => c === '\u200d' || c === '\u200c' ? c :
      c === '\n' ? '\\n' : c === '\t' ? '\\t' : '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'));
    const letters = [...shown];
    return letters.length > most ? letters.slice(0, most - 1).join('') + '…' : shown;
  }
  const isolate = s => RTL.test(s) ? '\u2068' + s + '\u2069' : s; // a right-to-left name must not turn the sentence

  const isScalar = s => !!s && s.v !== undefined;
  const bad = s => !!s && (s.nan > 0 || s.inf > 0);
  const shapeText = s => s && s.shape.length ? s.shape.join('×') : '';
  const count = shape => shape.reduce((a, b) => a * b, 1);
  const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;

  function brief(s) {
    if (!s) return '·';
    if (s.text !== undefined) return s.text;
    if (isScalar(s)) return format(s.v, s.integer);
    if (s.nan) return 'NaN × ' + s.nan;
    if (s.inf) return '∞ × ' + s.inf;
    return s.norm === undefined ? shapeText(s) || '()' : '‖' + format(s.norm) + '‖';
  }

  // ---- the compact record -----------------------------------------------------------------------------------------

  const number = x => typeof x === 'string' ? Number(x) : x;

  // A number; the elements of a small array; {m: [min, mean, max, norm, nan, inf], h: histogram}; or {t: text}.
  function summary(x, shape, integer) {
    if (x === null || x === undefined) return null;
    if (Array.isArray(x)) return ofValues(x.map(number), shape, integer);
    if (typeof x !== 'object') {
      const v = number(x);
      return { shape, v, integer, nan: +Number.isNaN(v), inf: +(Math.abs(v) === Infinity), norm: Math.abs(v), min: v, mean: v, max: v };
    }
    if (x.t !== undefined) return { shape, text: clean(x.t, 40), nan: 0, inf: 0 };
    const [min, mean, max, norm, nan = 0, inf = 0] = x.m.map(number);
    return { shape, min, mean, max, norm, nan, inf, hist: x.h || null };
  }

  function ofValues(values, shape, integer) {
    const good = values.filter(Number.isFinite).map(Number), n = good.length;
    if (!values.length) return { shape, text: 'empty', nan: 0, inf: 0 };
    const nan = values.filter(Number.isNaN).length, inf = values.filter(v => Math.abs(v) === Infinity).length;
    const flags = values.every(v => typeof v === 'boolean') ? values.map(Number) : good;
    return {
      shape, values, integer, nan, inf, min: Math.min(...flags), max: Math.max(...flags),
      mean: flags.reduce((a, b) => a + b, 0) / Math.max(1, flags.length), norm: Math.hypot(...flags), n,
    };
  }

  function decode(payload) {
    const text = i => i < 0 ? '' : payload.text[i], scopes = payload.scopes.map(([parent, name, repeats]) => ({ parent, name: clean(text(name)), repeats: repeats || 0 }));
    const nodes = payload.nodes.map(([name, op, label, kind, scope, parents, data, grad, shape, dtype, formula, extra], id) => {
      const dims = shape || [], type = dtype === undefined || dtype < 0 ? 'float64' : text(dtype), whole = /^u?int/.test(type);
      const node = { id, name: clean(text(name)), op: clean(text(op), 24), label: clean(text(label), 8), kind: KINDS[kind], scope, parents, shape: dims, dtype: type };
      node.formula = formula === undefined || formula < 0 ? '' : text(formula);
      node.extra = extra ? { args: extra[0].map(text), exact: text(extra[1]) } : null;
      node.data = summary(data, dims, whole);
      node.grad = summary(grad, dims, false);
      node.title = node.name || node.op || (isScalar(node.data) ? brief(node.data) : 'constant');
      return node;
    });
    const same = new Map(); // several nodes without a name that the same op made are told apart by their number
    for (const n of nodes) if (!n.name && n.op) same.set(n.op, (same.get(n.op) || 0) + 1);
    for (const n of nodes) if (!n.name && same.get(n.op) > 1) n.title = `${n.op} #${n.id + 1}`;
    const arrivals = nodes.map(() => 0);
    for (const [, edges] of payload.back) for (const [to] of edges) arrivals[to]++;
    const back = payload.back.map(([node, edges]) => ({
      node,
      edges: edges.map(([to, local, value, contribution, exact]) => ({
        to, local: text(local), value: value === null || value === undefined ? null : number(value), exact: exact === undefined ? '' : text(exact),
        contribution: contribution === undefined || contribution === null ? nodes[to].grad : summary(contribution, nodes[to].shape, false),
      })),
    }));
    return { title: clean(payload.title, 80), nodes, scopes, back, arrivals, root: payload.root, note: clean(payload.note || '', 400), live: !!payload.live };
  }
  const KINDS = ['input', 'param', 'const', 'op', 'loss'];

  // ---- steps ------------------------------------------------------------------------------------------------------

  // Sum of two gradients as far as it is known: numbers and small arrays exactly, of large ones that they were added.
  function plus(a, b, last, known) {
    if (!a) return b;
    if (last) return known;
    if (isScalar(a) && isScalar(b)) return summary(a.v + b.v, a.shape, false);
    if (a.values && b.values) return summary(a.values.map((x, i) => x + b.values[i]), a.shape, false);
    return { shape: b.shape, nan: a.nan + b.nan, inf: a.inf + b.inf, partial: true };
  }

  function timeline(record) {
    const { nodes, back, root } = record, steps = [{ kind: 'start' }], when = nodes.map(() => 0);
    const gradient = nodes.map(() => []);
    for (const node of nodes) if (node.op) {
      when[node.id] = steps.length;
      steps.push({ kind: 'forward', node: node.id });
    }
    const seed = steps.length;
    if (back.length) {
      steps.push({ kind: 'seed', node: root });
      const one = isScalar(nodes[root].data) ? summary(1, nodes[root].shape, false) : nodes[root].grad;
      gradient[root].push({ step: seed, value: record.arrivals[root] ? one : nodes[root].grad || one });
      for (const entry of back) {
        const at = steps.length;
        const upstream = latest(gradient[entry.node], at);
        const edges = entry.edges.map(edge => {
          const events = gradient[edge.to], before = latest(events, at + 1);
          const after = plus(before, edge.contribution, events.length + 1 === record.arrivals[edge.to], nodes[edge.to].grad);
          events.push({ step: at, value: after });
          return { ...edge, before, after };
        });
        steps.push({ kind: 'backward', node: entry.node, upstream, edges });
      }
    }
    steps.push({ kind: 'done' });
    return {
      record, steps, seed, when,
      last: steps.length - 1,
      data: (id, i) => when[id] <= i ? nodes[id].data : null,
      grad: (id, i) => latest(gradient[id], i + 1),
      isBack: i => back.length > 0 && i >= seed,
    };
  }

  // The value of the last event before a step.
  function latest(events, step) {
    for (let i = events.length - 1; i >= 0; i--) if (events[i].step < step) return events[i].value;
    return null;
  }

  // ---- health -----------------------------------------------------------------------------------------------------

  const VANISHING = 1e-7, EXPLODING = 1e3;

  // For each node null or {level: 'bad' | 'inherited' | 'cold' | 'hot', text}. One node alone, the first in the order
  // of execution whose operands are all finite, is where NaN or infinity starts.
  function health(record) {
    const { nodes, back } = record;
    let origin = -1;
    for (const node of nodes) if (bad(node.data) && !node.parents.some(p => bad(nodes[p].data))) { origin = node.id; break; }
    if (origin < 0) for (const { node, edges } of back) if (!bad(nodes[node].grad) && edges.some(e => bad(e.contribution))) { origin = node; break; }
    if (origin < 0) for (const node of nodes) if (bad(node.grad) && node.id === record.root) origin = node.id;
    // A sum that cancels to nothing but rounding is zero, not vanishing: a bias before softmax or normalization.
    const rms = (grad, shape = grad.shape) => grad.norm / Math.sqrt(Math.max(1, count(shape))), cancelled = new Set();
    for (const { node, edges } of back) for (const { to } of edges) {
      const [g, up] = [nodes[to].grad, nodes[node].grad];
      if (g && up && count(g.shape) < count(up.shape) && rms(g) < 1e-5 * rms(up)) cancelled.add(to);
    }
    const marks = nodes.map(node => {
      const { data, grad, id } = node;
      const what = (data && data.nan) || (grad && grad.nan) ? 'NaN' : '∞';
      if (id === origin) return { level: 'bad', text: what + ' starts here' };
      if (bad(data) || bad(grad)) return { level: 'inherited', text: what };
      if (!grad || !grad.shape || node.kind === 'input' || node.kind === 'const') return null;
      const size = rms(grad);
      if (size < VANISHING) return cancelled.has(id) || (size === 0 && isScalar(grad)) ? null : { level: 'cold', text: 'vanishing' };
      return size > EXPLODING ? { level: 'hot', text: 'exploding' } : null;
    });
    return { marks, origin };
  }

  const WORST = ['bad', 'hot', 'inherited', 'cold'];
  const worst = marks => marks.filter(Boolean).sort((a, b) => WORST.indexOf(a.level) - WORST.indexOf(b.level))[0] || null;

  // ---- words ------------------------------------------------------------------------------------------------------

  const INFIX = new Set(['+', '-', '−', '×', '÷', '@', '<', '≤', '>', '≥', '=', '≠', '·']);
  const named = node => isolate(node.title);

  function expression(node, words) {
    if (INFIX.has(node.label) && words.length === 2) return `${words[0]} ${minus(node.label)} ${words[1]}`;
    if (node.label === 'x²' && words.length === 1) return /^[^ ]+$/.test(words[0]) && !words[0].startsWith('−') ? words[0] + '²' : `(${words[0]})²`;
    const shown = words.length > 8 ? [...words.slice(0, 7), '…'] : words;
    return `${node.op}(${shown.join(', ')})`;
  }

  const signed = s => s.startsWith('−') ? `(${s})` : s;

  // What a step says: {phase, heading, blocks: [{lines}], sentence}.
  function describe(time, i) {
    const { record, steps } = time, { nodes, root, back } = record, step = steps[i], node = nodes[step.node];
    const top = nodes[root], L = top.name && top.name.length <= 8 ? isolate(top.name) : 'L';
    if (step.kind === 'start') {
      const leaves = nodes.filter(n => !n.op).length;
      return {
        phase: 'Start', heading: 'Inputs and parameters', blocks: [],
        sentence: `Start: ${plural(leaves, 'value')} given. Values will flow forward, then gradients backward.`,
      };
    }
    if (step.kind === 'forward') {
      const parents = node.parents.map(p => nodes[p]), words = expression(node, parents.map(p => named(p)));
      const scalars = parents.every(p => isScalar(p.data)) && isScalar(node.data);
      const lines = [`${named(node)} = ${words}`];
      if (scalars) lines.push(`= ${expression(node, parents.map(p => signed(brief(p.data))))}`, `= ${brief(node.data)}`);
      else lines.push(...[...new Set(parents)].map(p => `${named(p)}: ${shapeText(p.data) || brief(p.data)}`), `result: ${shapeText(node.data) || brief(node.data)}`);
      const values = scalars ? ` = ${expression(node, parents.map(p => signed(brief(p.data))))} = ${brief(node.data)}` :
        `, ${shapeText(node.data) ? 'shape ' + shapeText(node.data) : ''}${isScalar(node.data) ? brief(node.data) : ', mean ' + format(node.data && node.data.mean)}`;
      return { phase: 'Forward', heading: named(node), blocks: [{ lines }], sentence: `Forward: ${named(node)} = ${words}${values}.` };
    }
    if (step.kind === 'seed') return {
      phase: 'Backward', heading: 'Start at the output', blocks: [{ lines: [`∂${L}/∂${L} = ${isScalar(top.data) ? '1.0' : '1 for each element'}`] }],
      sentence: `Backward starts: the derivative of ${named(top)} with respect to itself is 1.`,
    };
    if (step.kind === 'backward') {
      const said = [], g = step.upstream, y = named(node);
      const blocks = step.edges.map(edge => {
        const parent = nodes[edge.to], x = named(parent), c = edge.contribution, lines = [];
        const local = edge.local && edge.local !== format(edge.value) ? minus(edge.local) : '';
        if (isScalar(c) && edge.value !== null && isScalar(g)) {
          const product = `${brief(g)} × ${signed(format(edge.value))} = ${brief(c)}`;
          lines.push(`∂${y}/∂${x} = ${local && !/^[\d.−]+$/.test(local) ? local + ' = ' : ''}${format(edge.value)}`, `∂${L}/∂${x}: ${product}`);
          said.push(`${x} receives ${product}`);
        } else {
          lines.push(`∂${L}/∂${x}: ∂${L}/∂${y} through ${local || node.op}`, `${brief(g)} → ${brief(c)}${shapeText(c) ? `, shape ${shapeText(c)}` : ''}`);
          said.push(`${x} receives ${isScalar(c) ? brief(c) : 'a gradient of norm ' + brief(c).replaceAll('‖', '')}`);
        }
        const { before, after } = edge;
        if (before && isScalar(before) && isScalar(after)) {
          const sum = `${brief(before)} + ${signed(brief(c))} = ${brief(after)}`;
          lines.push({ strong: true, text: `grad: ${sum} (shared: gradients add)` });
          said[said.length - 1] += `, added to what it had: ${sum}`;
        } else if (before) {
          lines.push({ strong: true, text: `grad: ${brief(before)} + ${brief(c)} → ${after.partial ? 'more to come' : brief(after)} (shared: gradients add)` });
          said[said.length - 1] += ', added to what it had';
        } else if (record.arrivals[edge.to] > 1) lines.push(`grad: ${brief(after)} so far, 1 of ${record.arrivals[edge.to]}`);
        else lines.push(`grad: ${brief(after)}`);
        return { lines };
      });
      return {
        phase: 'Backward: chain rule', heading: node.name || node.label !== node.op ? `${node.label || node.op} → ${named(node)}` : named(node), lead: `∂${L}/∂${y} = ${brief(g)}`, blocks,
        sentence: `Backward through ${node.op}: ${said.join('; ')}.`,
      };
    }
    const { marks, origin } = health(record), ill = nodes.filter(n => marks[n.id]);
    const result = ill.length ? `${plural(ill.length, 'value')} need${ill.length === 1 ? 's' : ''} attention.` : back.length ? 'No NaN, vanishing or exploding gradients.' : '';
    return {
      phase: 'Done', heading: back.length ? 'All gradients are known' : 'All values are known', blocks: [], ill: ill.map(n => [n.id, marks[n.id]]), origin,
      sentence: `Done: all ${back.length ? 'gradients' : 'values'} are known. ${result}`.trim(),
    };
  }

  // Where a node's gradient comes from: what each op that uses it has sent so far.
  function received(time, id, i) {
    const found = [];
    for (let k = time.seed; k <= Math.min(i, time.last); k++) {
      const step = time.steps[k];
      if (step.kind === 'backward') for (const edge of step.edges) if (edge.to === id) found.push({ from: step.node, upstream: step.upstream, ...edge });
    }
    return found;
  }

  // Why a gradient is that number: the paths from the output to a node. There may be more than atoms in the universe, so
  // they are counted and added up node by node, and only the `most` largest are looked for, best first (A*), as `explain`
  // does in Python. Of arrays, whose steps are linear maps and no factors, the paths alone are told: `factors` is null.
  function paths(time, id, most = 5) {
    const { record } = time, { nodes, root } = record, steps = new Map(record.back.map(({ node, edges }) => [node, edges]));
    const count = new Map([[id, 1n]]), total = new Map([[id, 1]]), best = new Map([[id, 0]]), live = new Map();
    const size = x => { const a = Math.abs(x); return a > 0 && a < Infinity ? Math.log(a) : a === 0 ? -1e6 : 1e6; };
    let numbers = true;
    for (let n = id + 1; n <= root; n++) {
      const edges = (steps.get(n) || []).filter(e => count.has(e.to));
      if (!edges.length) continue;
      live.set(n, edges);
      numbers = numbers && edges.every(e => e.value !== null && isScalar(nodes[n].grad) && isScalar(nodes[e.to].grad));
      count.set(n, edges.reduce((sum, e) => sum + count.get(e.to), 0n));
      total.set(n, edges.reduce((sum, e) => sum + e.value * total.get(e.to), 0));
      best.set(n, edges.reduce((most, e) => Math.max(most, (numbers ? size(e.value) : 0) + best.get(e.to)), -Infinity));
    }
    if (!count.has(root)) return null;
    const heap = queue((a, b) => a.bound - b.bound || a.depth - b.depth), found = [];
    heap.push({ id: root, bound: best.get(root), depth: 0, so: 0, link: null });
    for (let work = 0; heap.size() && found.length < most && work < 200000; work++) {
      const at = heap.pop();
      if (at.id === id) {
        const via = [], factors = [];
        for (let l = at; l; l = l.link) { via.unshift(l.id); if (l.link) factors.unshift(l.value); }
        found.push({ via, factors: numbers ? factors : null, product: numbers ? factors.reduceRight((product, f) => product * f, 1) : null });
        continue;
      }
      for (const e of live.get(at.id)) {
        const so = at.so + (numbers ? size(e.value) : 0);
        heap.push({ id: e.to, bound: so + best.get(e.to), depth: at.depth + 1, so, value: e.value, link: at });
      }
    }
    return { count: count.get(root), total: numbers ? total.get(root) : null, paths: found };
  }

  // A binary heap: what is largest comes first.
  function queue(compare) {
    const items = [], before = (i, j) => compare(items[i], items[j]) > 0;
    const swap = (i, j) => { [items[i], items[j]] = [items[j], items[i]]; };
    return {
      size: () => items.length,
      push(item) {
        items.push(item);
        for (let i = items.length - 1, up = (i - 1) >> 1; i && before(i, up); i = up, up = (i - 1) >> 1) swap(i, up);
      },
      pop() {
        swap(0, items.length - 1);
        const top = items.pop();
        for (let i = 0; ;) {
          let j = 2 * i + 1;
          if (j + 1 < items.length && before(j + 1, j)) j++;
          if (j >= items.length || !before(j, i)) return top;
          swap(i, j);
          i = j;
        }
      },
    };
  }

  const scalar = v => summary(v, [], false);
  return { decode, timeline, scalar, health, worst, describe, received, paths, format, brief, clean, shapeText, isScalar, bad, named, signed, plural };
})();
if (typeof module === 'object') module.exports = Timeline;
