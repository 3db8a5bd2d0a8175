// The replay: recorded steps of a training run. What a step holds, what is wrong with it, what differs between two.
const Replay = (() => {
  'use strict';
  const { h, s, set } = Elements, N = Network, T = Timeline, C = Chart;
  const VANISHING = 1e-7, EXPLODING = 1e3, FINE = 161;
  const count = shape => shape.reduce((a, b) => a * b, 1);

  // ---- pure -------------------------------------------------------------------------------------------------------

  const number = v => typeof v === 'string' ? Number(v) : v;
  // Numbers of an array, or {norm, min, mean, max, nan, inf, hist} of one that is too large to be kept in full.
  function summary(x) {
    if (x === null || x === undefined) return null;
    if (!Array.isArray(x)) {
      const [min, mean, max, norm, nan = 0, inf = 0] = x.m.map(number);
      return { min, mean, max, norm, nan, inf, hist: x.h, values: null };
    }
    const values = x.map(number), good = values.filter(Number.isFinite);
    return { values, norm: Math.hypot(...good), min: Math.min(...good), max: Math.max(...good), mean: good.reduce((a, b) => a + b, 0) / Math.max(1, good.length), nan: values.filter(Number.isNaN).length, inf: values.filter(v => Math.abs(v) === Infinity).length };
  }

  function decode(payload) {
    const parameters = payload.parameters.map(p => ({ ...p, name: T.clean(p.name), size: count(p.shape) }));
    const steps = payload.steps.map(step => ({
      ...step, loss: number(step.loss), weights: step.w.map(summary), grads: step.g.map(summary),
    }));
    return { parameters, steps };
  }

  const told = x => x.nan ? `NaN × ${x.nan}` : x.inf ? `∞ × ${x.inf}` : `‖${T.format(x.norm)}‖`;
  const total = list => list.some(v => v && v.nan) ? NaN : list.some(v => v && v.inf) ? Infinity : Math.hypot(...list.filter(Boolean).map(v => v.norm));
  const ratio = (weight, grad) => weight && grad && weight.norm ? grad.norm / weight.norm : null;

  // What is wrong with a parameter at a step; null if nothing is.
  function trouble(weight, grad, size) {
    if (weight && weight.nan || grad && grad.nan) return { level: 'bad', text: 'NaN' };
    if (weight && weight.inf || grad && grad.inf) return { level: 'bad', text: '∞' };
    if (!grad) return null;
    const rms = grad.norm / Math.sqrt(Math.max(1, size));
    return rms === 0 ? { level: 'cold', text: 'gradient is 0' } : rms < VANISHING ? { level: 'cold', text: 'vanishing' } : rms > EXPLODING ? { level: 'hot', text: 'exploding' } : null;
  }

  // What differs between two steps: for each parameter norms, the norm of the change where all numbers are known, and
  // where the largest change is.
  function compare(parameters, a, b) {
    return parameters.map((p, i) => {
      const x = a.weights[i], y = b.weights[i], row = { name: p.name, before: x.norm, after: y.norm, change: null, relative: null, most: null, at: null };
      if (x.values && y.values) {
        const d = y.values.map((v, k) => v - x.values[k]), k = d.reduce((best, v, j) => Math.abs(v) > Math.abs(d[best]) ? j : best, 0);
        row.values = d;
        row.change = Math.hypot(...d.filter(Number.isFinite));
        row.relative = x.norm ? row.change / x.norm : null;
        row.most = d[k];
        row.at = index(p.shape, k);
      }
      return row;
    });
  }

  function index(shape, k) {
    const found = [];
    for (const n of [...shape].reverse()) { found.unshift(k % n); k = Math.floor(k / n); }
    return found;
  }

  // The mean of the numbers around each one, `half` on either side, as far as there are any.
  const running = (y, half) => y.map((_, i) => { const part = y.slice(Math.max(0, i - half), i + half + 1); return part.reduce((a, b) => a + b, 0) / part.length; });

  const title = step => step.label || `step ${step.t}`;

  // What a step says: {phase, heading, sentence, facts: [[name, text]], troubles: [[name, {level, text}]]}.
  function describe({ parameters, steps }, i) {
    const step = steps[i], f = T.format, has = step.grads.some(Boolean), w = total(step.weights), g = has ? total(step.grads) : null;
    const troubles = parameters.map((p, k) => [p.name, trouble(step.weights[k], step.grads[k], p.size)]).filter(([, t]) => t);
    const known = Number.isFinite(step.loss), facts = [['loss', known || Number.isNaN(step.loss) && has ? f(step.loss) : '·'], ['‖gradient‖', g === null ? '·' : f(g)], ['‖weights‖', f(w)]];
    const first = steps[0].loss, done = i === steps.length - 1, loss = known ? `loss ${f(step.loss)}${i && first > 0 && step.loss >= 0 ? `, ${f(100 * step.loss / first)} % of the first one` : ''}` : has ? `loss ${f(step.loss)}` : 'the weights as they are; no loss was computed with them';
    const sentence = `${i === 0 ? 'At the start' : `After ${T.plural(step.t, 'step')}`}${step.e && i ? `, in epoch ${step.e}` : ''}: ${loss}${g === null ? '' : `, gradient of norm ${f(g)}`}. ${troubles.length ? `${troubles.slice(0, 3).map(([n, t]) => `${T.named({ title: n })}: ${t.text}`).join('; ')}.` : ''}`.trim();
    return { phase: done && !has ? 'End' : i === 0 ? 'Start' : 'Training', heading: title(step), sentence, facts, troubles };
  }

  // ---- the page's part --------------------------------------------------------------------------------------------

  function make(context) {
    const { data, root, layersAt } = context, run = decode(data.payload), { parameters, steps } = run, dims = data.span ? data.span.length : 0;
    const state = { at: Math.max(0, steps.findLastIndex(step => step.grads.some(Boolean))), base: null };
    if (!steps[state.at].grads.some(Boolean)) state.at = steps.length - 1;
    const figure = h('div', { class: 'figure' }), before = h('div', { class: 'figure' }), curve = h('div', { class: 'figure' }), cards = h('div', { class: 'cards params' });
    const caption = h('h2', {}), beforeCaption = h('h2', {}), curveCaption = h('h2', {}, 'loss');
    const pair = h('div', { class: 'panel' }, caption, figure, data.classes.length ? C.legend(data.classes, data.one) : null), other = h('div', { class: 'panel' }, beforeCaption, before), right = h('div', { class: 'panel' }, curveCaption, curve);
    const el = h('section', { class: 'replay', 'aria-label': 'Training' }, h('div', { class: 'row' }, data.span ? other : null, data.span ? pair : null, right), h('h2', { class: 'head' }, 'parameters'), cards);
    const MAP = data.payload.side, cache = new Map(), points = data.span ? N.lattice(data.span, dims === 1 ? FINE : MAP) : null;
    let colors = null, range = null;

    // Outputs of the network at a step, over the lattice.
    function field(i) {
      if (!cache.has(i)) {
        const layers = layersAt(i);
        if (cache.size > 80) cache.clear();
        cache.set(i, layers ? N.run(layers, points)[layers.length].a : (steps[i].field || []).map(v => Float64Array.from(v.map(number))));
      }
      return cache.get(i);
    }

    function functionPicture(i, box) {
      const outputs = field(i), label = `outputs at ${title(steps[i])}`, width = Math.max(200, box.clientWidth || 320);
      if (!outputs.length) return;
      if (dims === 1) {
        const y = data.points && data.points.kind === 'numbers' ? data.points.y : null;
        if (!range) range = N.extent([...(y ? y : []), ...(data.points && data.points.kind === 'classes' ? [[0]] : []), ...field(steps.length - 1), ...(y ? [] : field(0))]);
        const room = .12 * (range[1] - range[0]), lines = outputs.slice(0, 6).map((v, j) => ({ y: v, class: outputs.length > 1 ? 'class' + j % 8 : 'sum' }));
        if (state.base !== null && i !== state.base) lines.unshift(...field(state.base).slice(0, 6).map((v, j) => ({ y: v, class: outputs.length > 1 ? `then class${j}` : 'final' })));
        const marks = !data.points ? [] : y ? y.flatMap((row, k) => row.slice(0, 6).map(v => ({ x: data.points.x[0][k], y: v }))) : data.points.y.map((c, k) => ({ x: data.points.x[0][k], rug: true, class: 'class' + c % 8, mark: C.MARKS[c % 4] }));
        box.replaceChildren(C.curves({ width, height: 260, span: data.span[0], range: [range[0] - room, range[1] + room], x: points[0], lines, points: marks, xLabel: data.features[0], label }));
        return;
      }
      const size = Math.min(width - 54, 300), decide = data.points && data.points.kind === 'classes' ? data.decision : 'value';
      if (!range && decide === 'value') range = Math.max(...N.extent([...field(steps.length - 1).slice(0, 1), ...(data.points && data.points.kind === 'numbers' ? data.points.y.map(v => v.slice(0, 1)) : [])]).map(Math.abs)) || 1;
      const marks = !data.points ? [] : data.points.x[0].map((v, k) => ({ x: v, y: data.points.x[1][k], ...(data.points.kind === 'classes' ? { class: 'class' + data.points.y[k] % 8 + (data.one ? ' one' : ''), mark: C.MARKS[data.points.y[k] % 4] } : { class: 'own', fill: C.shaded(data.points.y[k][0], range, colors) }) }));
      box.replaceChildren(C.plane({ size, span: data.span, names: data.features, points: marks, label, draw: c => decide === 'value' ? C.paint(c, outputs[0], MAP, range, colors) : C.decisions(c, outputs, MAP, decide, colors) }), ...(decide === 'value' ? [C.ramp(range)] : []));
    }

    function lossPicture() {
      const known = data.curve[1].map((v, k) => [data.curve[0][k], number(v)]).filter(([, v]) => Number.isFinite(v)), others = data.validation[1].map((v, k) => [data.validation[0][k], number(v)]).filter(([, v]) => Number.isFinite(v));
      if (!known.length) { curve.replaceChildren(h('p', { class: 'mute' }, 'No losses were recorded.')); return; }
      const all = [...known, ...others].map(v => v[1]), lo = Math.min(...all), hi = Math.max(...all), log = lo > 0 && hi / lo > 20, x = known.map(v => v[0]), end = Math.max(steps[steps.length - 1].t, ...x);
      const raw = known.map(v => v[1]), noisy = raw.length >= 100, lines = noisy ? [{ y: raw, class: 'raw' }, { y: running(raw, Math.floor(raw.length / 50)), class: 'sum thin' }] : [{ y: raw, class: 'sum thin' }];
      if (others.length) lines.push({ x: others.map(v => v[0]), y: others.map(v => v[1]), class: 'final strong' });
      const range = log ? [lo / 1.2, hi * 1.2] : hi > lo ? [lo - .05 * (hi - lo), hi + .05 * (hi - lo)] : [lo - 1, hi + 1];
      const g = C.curves({ width: Math.max(200, curve.clientWidth || 320), height: 260, span: [0, Math.max(1, end)], range, x, lines, points: [], xLabel: 'step', log, label: 'loss by step', pick: v => { let best = 0; steps.forEach((st, k) => { if (Math.abs(st.t - v) < Math.abs(steps[best].t - v)) best = k; }); if (best !== state.at && pressed) context.go(best); } });
      let pressed = false;
      g.addEventListener('pointerdown', () => { pressed = true; }, true);
      g.addEventListener('pointerup', () => { pressed = false; });
      g.addEventListener('pointerleave', () => { pressed = false; });
      g.classList.add('cursor');
      set(curveCaption, `loss${log ? ', logarithmic' : ''}${noisy ? '; heavy: running mean' : ''}${others.length ? '; dashed: validation' : ''}`);
      curve.replaceChildren(g);
      lossCursor = () => g.setProbe(steps[state.at].t, [steps[state.at].loss]);
    }
    let lossCursor = () => {};

    const shapeOf = p => p.shape.length > 1 && p.shape[p.shape.length - 1] > 1 ? [count(p.shape.slice(0, -1)), p.shape[p.shape.length - 1]] : p.shape.length > 1 ? [1, count(p.shape)] : p.shape.length ? [1, p.shape[0]] : [1, 1];
    const limits = parameters.map((_, i) => Math.max(...steps.map(v => v.weights[i] ? Math.max(Math.abs(v.weights[i].min), Math.abs(v.weights[i].max)) : 0).filter(Number.isFinite), 1e-30));

    const trained = parameters.map((_, i) => steps.some(v => v.grads[i])); // others are buffers

    function numbersPicture(p, x, limit, kind) {
      if (!x) return h('span', { class: 'mute' }, '–');
      if (x.values) { const [rows, columns] = shapeOf(p); return C.matrix(x.values, rows, columns, limit, colors, 116); }
      const most = Math.max(...x.hist, 1), step = 116 / x.hist.length;
      return s('svg', { width: 116, height: 44, 'aria-hidden': 'true', class: 'histogram' }, x.hist.map((v, k) => s('rect', { class: 'spark ' + kind, x: k * step, y: 44 - Math.max(.7, 42 * v / most), width: step - 1, height: Math.max(.7, 42 * v / most) })));
    }

    function parameterCards() {
      const step = steps[state.at], changes = state.base === null ? null : compare(parameters, steps[state.base], step);
      const widest = changes ? Math.max(...changes.filter(c => c.values).flatMap(c => c.values.map(Math.abs)).filter(Number.isFinite), 1e-30) : 1;
      cards.replaceChildren(...parameters.map((p, i) => {
        const w = step.weights[i], g = step.grads[i], t = trouble(w, g, p.size), r = ratio(w, g), most = g && g.values ? Math.max(Math.abs(g.min), Math.abs(g.max)) : 1;
        const tile = (label, content, words) => h('div', { class: 'tile-box' }, h('span', { class: 'mini-label' }, label), content, h('span', { class: 'mini-label num' }, words));
        return h('article', { class: 'parameter' + (t ? ' ' + t.level : '') },
          h('h3', {}, h('span', { class: 'pname' }, p.name), h('span', { class: 'mute num' }, p.shape.join('×') || 'scalar'), t ? h('span', { class: 'flag1' }, '⚠ ' + t.text) : null),
          h('div', { class: 'tiles' },
            tile(trained[i] ? 'weights' : 'values', numbersPicture(p, w, limits[i], 'd'), told(w)),
            trained[i] ? tile('gradient', numbersPicture(p, g, most, 'g'), g ? told(g) : 'not computed') : null,
            changes ? tile('change', changes[i].values ? numbersPicture(p, { values: changes[i].values }, widest, 'd') : h('span', { class: 'mute' }, 'norms only'), changes[i].change === null ? `${T.format(changes[i].before)} → ${T.format(changes[i].after)}` : `‖${T.format(changes[i].change)}‖`) : null),
          h('p', { class: 'num small-line' }, r === null ? ' ' : `gradient / weight ${T.format(r)}`));
      }));
    }

    function render() {
      if (!el.isConnected || el.hidden) return;
      colors = C.palette(root);
      if (data.span) {
        set(caption, title(steps[state.at]));
        functionPicture(state.at, figure);
        if (!other.hidden) { set(beforeCaption, `compared with: ${title(steps[state.base])}`); functionPicture(state.base, before); }
      }
      lossCursor();
      parameterCards();
    }

    function layout() {
      if (!el.isConnected || el.hidden) return;
      other.hidden = state.base === null || dims === 1; // first: the others are measured then
      lossPicture();
      render();
    }

    function explanation() {
      const told = describe(run, state.at), step = steps[state.at];
      const parts = [h('div', { class: 'phase' }, told.phase), h('h2', {}, told.heading), h('p', {}, told.sentence), h('dl', { class: 'num' }, told.facts.map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]))];
      if (told.troubles.length) parts.push(h('ul', {}, told.troubles.slice(0, 12).map(([name, t]) => h('li', { class: t.level }, `${name}: ${t.text}`))));
      const same = state.base === state.at;
      parts.push(h('p', { class: 'actions' }, h('button', { type: 'button', 'data-f': 'base', onclick: () => context.base(state.base === null ? state.at : null) }, state.base === null ? 'Compare with this step (m)' : 'End comparison (m)'), step.graph ? h('button', { type: 'button', 'data-f': 'graph', onclick: () => context.explore() }, 'Explore its graph (g)') : null));
      if (state.base !== null) {
        const rows = compare(parameters, steps[state.base], step).sort((a, b) => (b.relative ?? b.change ?? 0) - (a.relative ?? a.change ?? 0));
        const lossChange = Number.isFinite(steps[state.base].loss) && Number.isFinite(step.loss) ? `loss ${T.format(steps[state.base].loss)} → ${T.format(step.loss)}` : '';
        parts.push(h('h3', {}, same ? 'compared with itself: choose another step' : `what changed since ${title(steps[state.base])}`), lossChange ? h('p', { class: 'num' }, lossChange) : null);
        if (!same) parts.push(h('table', { class: 'num sums' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'parameter'), h('th', { scope: 'col' }, '‖change‖'), h('th', { scope: 'col' }, 'of its norm'))), h('tbody', {}, rows.slice(0, 20).map(r => h('tr', {}, h('th', { scope: 'row' }, r.name), h('td', {}, r.change === null ? `${T.format(r.before)} → ${T.format(r.after)}` : T.format(r.change)), h('td', {}, r.relative === null ? '·' : `${T.format(+(100 * r.relative).toPrecision(3))} %`))))), ...rows.slice(0, 1).filter(r => r.most !== null).map(r => h('p', { class: 'mute' }, `largest: ${r.name}[${r.at.join(', ')}] by ${T.format(r.most)}`)));
      }
      return { parts: parts.filter(Boolean), told };
    }

    return { el, state, run, render, layout, explanation, title };
  }

  return { make, decode, describe, compare, running, trouble, summary };
})();
