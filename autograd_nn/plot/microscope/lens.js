// The microscope: one unit of a network, what each of its inputs adds to its sum, one after the other.
const Lens = (() => {
  'use strict';
  const { h, set, button } = Elements, N = Network, T = Timeline, C = Chart;
  const FINE = 201, MAP = 41, TILE = 25, MOST_CARDS = 64;

  // What the parts are called.
  const names = (data, layers) => ({
    unit: (l, j) => l === 0 ? data.features[j] : l === layers.length ? (layers[l - 1].units > 1 ? data.outputs[j] : 'output') : `neuron ${j}`,
    full(l, j) { return l === 0 ? `input ${this.unit(l, j)}` : l === layers.length ? this.unit(l, j) : layers.length > 2 ? `layer ${l}, neuron ${j}` : `neuron ${j}`; },
  });

  // Steps of a unit: nothing yet, each contribution, the bias, the function if there is one.
  const last = layer => layer.inputs + 1 + (layer.formula ? 1 : 0);

  // What step k says at a point, as data: {phase, heading, lines, sentence, rows}. Pure.
  function describe(data, layers, { l, unit, k, point }) {
    const layer = layers[l - 1], states = N.forward(layers, point), parts = N.parts(layers, states, l, unit), name = names(data, layers);
    const f = T.format, sg = v => T.signed(f(v)), here = data.features.map((n, i) => `${T.named({ title: n })} = ${f(point[i])}`).join(', ');
    const z = N.partial(parts, layer.inputs + 1), a = states[l].a[unit], target = name.full(l, unit), lines = [], out = { here, z, a };
    let phase, heading, sentence;
    if (k === 0) {
      phase = 'Start';
      heading = target;
      lines.push(`${T.plural(layer.inputs, l === 1 ? 'input' : 'neuron')}, and a bias of ${f(parts.bias)}`);
      sentence = `Start: nothing is added yet. ${target} adds up ${lines[0]}.`;
    } else if (k <= layer.inputs) {
      const i = k - 1, value = states[l - 1].a[i], part = parts.at(i), before = N.partial(parts, i), after = N.partial(parts, k);
      phase = `${l === 1 ? 'Input' : 'Neuron'} ${k} of ${layer.inputs}`;
      heading = name.full(l - 1, i);
      if (l > 1) lines.push(...inside(data, layers, states, l - 1, i));
      lines.push({ strong: true, text: `${f(value)} × ${sg(parts.weights[i])} = ${f(part)}` });
      lines.push(`sum: ${f(before)} + ${sg(part)} = ${f(after)}`);
      sentence = `${heading} at ${here}: ${f(value)} times weight ${f(parts.weights[i])} is ${f(part)}; the sum is now ${f(after)}.`;
    } else if (k === layer.inputs + 1) {
      const before = N.partial(parts, layer.inputs);
      phase = 'Bias';
      heading = `bias of ${target}`;
      lines.push({ strong: true, text: `${f(before)} + ${sg(parts.bias)} = ${f(z)}` });
      sentence = `The bias ${f(parts.bias)} is added: ${f(before)} + ${sg(parts.bias)} = ${f(z)}${layer.formula ? '' : `, which is ${target}`}.`;
      if (!layer.formula) lines.push(`${target} = ${f(a)}`);
    } else {
      phase = 'Activation';
      heading = target;
      lines.push({ strong: true, text: `${layer.name}(${f(z)}) = ${f(a)}` });
      sentence = `${target} = ${layer.name}(${f(z)}) = ${f(a)}.`;
    }
    out.rows = Array.from({ length: layer.inputs }, (_, i) => ({ name: name.unit(l - 1, i), value: parts.at(i), sum: N.partial(parts, i + 1), k: i + 1 }));
    out.rows.push({ name: 'bias', value: parts.bias, sum: z, k: layer.inputs + 1 });
    if (layer.formula) out.rows.push({ name: layer.name, value: null, sum: a, k: layer.inputs + 2 });
    return { phase, heading, lines, sentence, ...out };
  }

  // w·x + b = z and f(z) = a of a hidden unit.
  function inside(data, layers, states, l, j) {
    const { inputs, units, w, b, name } = layers[l - 1], before = states[l - 1].a, f = T.format, sg = v => T.signed(f(v));
    const terms = before.length <= 2 ? Array.from({ length: inputs }, (_, i) => `${f(w[i * units + j])} × ${sg(before[i])}`).join(' + ') : `${inputs} products`;
    return [`w·x + b = ${terms} + ${sg(b[j])} = ${f(states[l].z[j])}`, ...(name ? [`${name}(${f(states[l].z[j])}) = ${f(states[l].a[j])}`] : [])];
  }

  // ---- the page's part --------------------------------------------------------------------------------------------

  // `context` has data, root, layers (those shown now), moved() (called after anything changed), big (pixels).
  function make(context) {
    const { data, root } = context, dims = data.features.length, span = data.span;
    const state = { l: 0, unit: 0, k: 0, point: span.map(([lo, hi]) => (lo + hi) / 2) };
    state.l = context.layers().length;
    state.unit = data.output;
    state.k = last(context.layers()[state.l - 1]);
    const choose = h('select', { 'aria-label': 'Unit', onchange: () => { const [l, j] = choose.value.split(' ').map(Number); look(l, j); } });
    const back = button('output', 'Back to the output (o)', () => look(context.layers().length, data.output), { class: 'quiet' });
    const caption = h('h2', { class: 'caption' }), figure = h('div', { class: 'figure' }), cards = h('div', { class: 'cards' }), more = h('p', { class: 'mute' });
    let scale = h('div');
    const key = data.classes.length ? C.legend(data.classes, data.one) : null;
    const el = h('section', { class: 'lens', 'aria-label': 'Neurons' }, h('div', { class: 'where' }, h('label', {}, h('span', { class: 'mute' }, 'Look at '), choose), back), caption, figure, dims === 2 ? scale : C.kinds([['sum', 'sum so far'], ['part now', 'added now'], ['part', 'added before'], ['part later', 'still to come'], ['final', 'when all are added']]), key, cards, more);
    let chart = null, shown = '', coarse = null, fine = null, colors = null, built = '';

    const title = () => names(data, context.layers());
    function fillChoice() {
      const layers = context.layers(), name = title(), structure = layers.map(v => v.units).join();
      if (structure !== built) {
        built = structure;
        choose.replaceChildren(...layers.flatMap((layer, i) => i + 1 < layers.length || layer.units > 1 || layers.length > 1 ? Array.from({ length: layer.units }, (_, j) => h('option', { value: `${i + 1} ${j}` }, name.full(i + 1, j))) : [h('option', { value: '1 0' }, 'output')]).reverse());
      }
      choose.value = `${state.l} ${state.unit}`;
      back.hidden = state.l === layers.length && state.unit === data.output;
    }

    function look(l, unit) {
      const done = state.k === last(context.layers()[state.l - 1]);
      Object.assign(state, { l, unit });
      const end = last(context.layers()[l - 1]);
      state.k = done ? end : Math.min(state.k, end);
      render();
      context.moved();
    }

    function go(k) {
      state.k = Math.max(0, Math.min(last(context.layers()[state.l - 1]), k));
      render();
      context.moved();
    }

    function move(point) {
      state.point = point;
      mark();
      context.moved();
    }

    const size = () => Math.max(200, figure.clientWidth || 600);
    function mark() {
      if (!chart) return;
      if (dims === 2) chart.setProbe(state.point);
      else chart.setProbe(state.point[0], [heavy(state.point)]);
    }
    function heavy(point) { // the sum so far, at a point
      const layers = context.layers(), layer = layers[state.l - 1], states = N.forward(layers, point);
      return state.k > layer.inputs + 1 ? states[state.l].a[state.unit] : N.partial(N.parts(layers, states, state.l, state.unit), state.k);
    }

    // Everything is computed once for the weights that are shown.
    function compute() {
      const layers = context.layers(), key = context.version();
      if (shown === key) return;
      shown = key;
      fine = N.run(layers, N.lattice(span, dims === 1 ? FINE : MAP));
      coarse = dims === 1 ? fine : N.run(layers, N.lattice(span, TILE));
    }

    function render() {
      if (!el.isConnected || el.hidden) return;
      compute();
      fillChoice();
      colors = C.palette(root);
      const layers = context.layers(), { l, unit, k } = state, layer = layers[l - 1], n = fine[0].a[0].length;
      if (key) key.hidden = !isOutput();
      const parts = N.parts(layers, fine, l, unit), end = last(layer), sum = k > layer.inputs + 1 ? fine[l].a[unit] : N.partial(parts, k, n), name = title();
      const what = k === 0 ? 'nothing is added yet' : k <= layer.inputs ? `${k} of ${layer.inputs} contributions are added` : k === layer.inputs + 1 ? 'all contributions and the bias' : `${layer.name} of the sum`;
      set(caption, `${name.full(l, unit)}: ${what}${k === end && l === layers.length ? ', which is the output of the network' : ''}`);
      const focused = document.activeElement && cards.contains(document.activeElement) ? document.activeElement.dataset.k : null;
      if (dims === 1) drawCurves(layers, layer, parts, sum, n);
      else drawMaps(layers, layer, parts, sum);
      for (const card of cards.children) {
        card.setAttribute('aria-pressed', String(+card.dataset.k === k));
        card.classList.toggle('off', +card.dataset.k > k);
      }
      set(more, layer.inputs > MOST_CARDS ? `Pictures of the first ${MOST_CARDS} of ${layer.inputs}; all are added.` : '');
      more.hidden = layer.inputs <= MOST_CARDS;
      if (focused) cards.querySelector(`[data-k="${focused}"]`)?.focus({ preventScroll: true });
      mark();
    }

    const isOutput = () => state.l === context.layers().length;

    function drawCurves(layers, layer, parts, sum, n) {
      const { l, unit, k } = state, x = fine[0].a[0], each = Array.from({ length: layer.inputs }, (_, i) => Float64Array.from({ length: n }, (_, q) => parts.at(i, q)));
      const full = N.partial(parts, layer.inputs + 1, n), final = fine[l].a[unit], y = isOutput() && data.points && data.points.kind === 'numbers' ? data.points.y.map(row => row[Math.min(unit, row.length - 1)]) : null;
      const partials = layer.inputs <= 24 ? Array.from({ length: layer.inputs }, (_, i) => N.partial(parts, i + 1, n)) : [sum];
      const [lo, hi] = N.extent([...each, ...partials, full, final, ...(y ? [y] : []), [0, parts.bias]]), room = .05 * (hi - lo);
      const lines = each.map((v, i) => ({ y: v, class: i + 1 === k ? 'part now' : i + 1 < k ? 'part' : 'part later' }));
      lines.push({ y: final, class: 'final' }, { y: sum, class: 'sum' });
      const previous = k > 0 && k <= layer.inputs + 1 ? N.partial(parts, k - 1, n) : null;
      let points = [];
      if (isOutput() && data.points) points = y ? y.map((v, i) => ({ x: data.points.x[0][i], y: v })) : data.points.y.map((c, i) => ({ x: data.points.x[0][i], rug: true, class: 'class' + c % 8, mark: C.MARKS[c % 4] }));
      chart = C.curves({ width: size(), height: Math.min(300, Math.max(200, size() * .5)), span: span[0], range: [lo - room, hi + room], x, lines, band: previous ? [previous, sum] : null, points, xLabel: data.features[0], label: caption.textContent, pick: v => move([v]) });
      figure.replaceChildren(chart);
      const zs = l > 1 ? N.extent(fine[l - 1].z) : null, as = N.extent(fine[l - 1].a), cs = N.extent([...each, [0]]);
      cards.replaceChildren(...each.slice(0, MOST_CARDS).map((v, i) => {
        const minis = l > 1 ? [[C.small(x, [{ y: fine[l - 1].z[i], class: 'pre' }], span[0], zs), 'w·x + b'], ...(layers[l - 2].name ? [[C.small(x, [{ y: fine[l - 1].a[i], class: 'act' }], span[0], as), layers[l - 2].name]] : [])] : [[C.small(x, [{ y: fine[0].a[i], class: 'pre' }], span[0], as), 'input']];
        return card(i, parts.weights[i], [...minis, [C.small(x, [{ y: v, class: 'act' }], span[0], cs), `× ${T.format(parts.weights[i])}`]]);
      }));
    }

    function drawMaps(layers, layer, parts, sum) {
      const { l, unit } = state, small = N.parts(layers, coarse, l, unit), count = coarse[0].a[0].length;
      const each = Array.from({ length: layer.inputs }, (_, i) => Float64Array.from({ length: count }, (_, q) => small.at(i, q)));
      const full = N.partial(parts, layer.inputs + 1, fine[0].a[0].length), biggest = list => Math.max(...N.extent(list).map(Math.abs)) || 1;
      const limit = state.k > layer.inputs + 1 ? biggest([fine[l].a[unit]]) : biggest([full, sum]), part = biggest(each);
      const points = isOutput() && data.points ? data.points.x[0].map((v, i) => marker(i, v, limit)) : [];
      const width = Math.min(size() - 54, context.big || 400);
      chart = C.plane({ size: width, span, names: data.features, points, label: caption.textContent, pick: (a, b) => move([a, b]), draw: c => C.paint(c, sum, MAP, limit, colors) });
      figure.replaceChildren(chart);
      const next = C.ramp(limit);
      scale.replaceWith(next);
      scale = next;
      const zs = l > 1 ? biggest(coarse[l - 1].z) : 1, as = biggest(coarse[l - 1].a);
      const tile = (values, top) => { const c = C.canvas(72, { class: 'tile', 'aria-hidden': 'true' }); C.paint(c, values, TILE, top, colors); return c; };
      cards.replaceChildren(...each.slice(0, MOST_CARDS).map((v, i) => card(i, parts.weights[i], [
        ...(l > 1 ? [[tile(coarse[l - 1].z[i], zs), 'w·x + b'], ...(layers[l - 2].name ? [[tile(coarse[l - 1].a[i], as), layers[l - 2].name]] : [])] : [[tile(coarse[0].a[i], as), 'input']]),
        [tile(v, part), `× ${T.format(parts.weights[i])}`]])));
    }

    function marker(i, x, limit) {
      const { kind, y } = data.points, p = { x, y: data.points.x[1][i] };
      if (kind === 'classes') return { ...p, class: 'class' + y[i] % 8 + (data.one ? ' one' : ''), mark: C.MARKS[y[i] % 4] };
      return { ...p, fill: C.shaded(y[i][Math.min(state.unit, y[i].length - 1)], limit, colors), class: 'own' };
    }

    function card(i, weight, minis) {
      return h('button', { type: 'button', class: 'neuron', 'data-k': i + 1, onclick: () => go(i + 1) }, h('span', { class: 'neuron-name' }, title().unit(state.l - 1, i)), h('span', { class: 'minis' }, minis.map(([picture, label]) => h('span', { class: 'mini' }, picture, h('span', { class: 'mini-label num' }, label)))));
    }

    // What stands beside the picture.
    function explanation() {
      const layers = context.layers(), { l, k } = state, told = describe(data, layers, state), mono = (line) => h('span', { class: 'num' + (line.strong ? ' strong' : '') }, line.text || line);
      const parts = [h('div', { class: 'phase' }, told.phase), h('h2', {}, told.heading), h('p', { class: 'mute' }, 'at ', told.here), h('div', { class: 'eq' }, told.lines.map(mono))];
      if (k >= 1 && k <= layers[l - 1].inputs && l > 1) parts.push(h('p', {}, h('button', { type: 'button', class: 'link', 'data-f': 'inside', onclick: () => look(l - 1, k - 1) }, `look inside ${told.heading}`)));
      parts.push(sliders());
      const rows = told.rows.length > 40 ? [...told.rows.slice(0, 38), ...told.rows.slice(-2)] : told.rows;
      parts.push(h('h3', {}, `how ${names(data, layers).full(l, state.unit)} adds up here`), h('table', { class: 'num sums' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'part'), h('th', { scope: 'col' }, 'adds'), h('th', { scope: 'col' }, 'sum'))), h('tbody', {}, rows.map(r => h('tr', { class: r.k === k ? 'at' : r.k > k ? 'off' : '' }, h('th', { scope: 'row' }, r.name), h('td', {}, r.value === null ? '' : T.format(r.value)), h('td', {}, T.format(r.sum)))))));
      return { parts, told };
    }

    const levers = span.map(([lo, hi], i) => {
      const output = h('span', { class: 'num' }), input = h('input', { type: 'range', min: lo, max: hi, step: (hi - lo) / 200, 'aria-label': `${data.features[i]}, where to look`, 'data-f': 'probe' + i, oninput: () => { const p = [...state.point]; p[i] = +input.value; move(p); } });
      return { row: h('div', { class: 'lever' }, h('span', { class: 'num lever-name' }, data.features[i]), input, output), input, output };
    });
    function sliders() {
      levers.forEach(({ input, output }, i) => { if (+input.value !== state.point[i]) input.value = state.point[i]; set(output, T.format(state.point[i])); });
      return h('div', { class: 'levers' }, levers.map(v => v.row));
    }

    return { el, state, render, go, move, look, explanation, end: () => last(context.layers()[state.l - 1]) };
  }

  return { make, describe, last, names };
})();
if (typeof module === 'object') module.exports = Lens;
