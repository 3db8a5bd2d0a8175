// The network: inputs, neurons and the lines between them; and the numbers of what is pointed at.
import { h, s, say, plural } from './dom.js';
import { bytes, palette, shown, signed, spark } from './paint.js';

const WIDEST = 6.5;

export class Network {
  /** change(hidden), toggle(feature): what the user asks for. */
  constructor(root, inspector, key, { change, toggle }) {
    Object.assign(this, { root, inspector, key, change, toggle, lines: 'weight', at: [0, 0], pointed: null, kept: null, frame: null });
    root.addEventListener('keydown', e => this.arrow(e));
    new ResizeObserver(() => { if (this.setup && Math.abs(root.clientWidth - this.width) > 1) this.build(this.setup, false); }).observe(root);
  }

  /** Place everything: columns of nodes, each an input, a neuron or an output. */
  build(setup, fresh = true) {
    const focused = this.root.contains(document.activeElement) ? document.activeElement.dataset.place ?? document.activeElement.dataset.what : null;
    this.setup = setup;
    if (fresh) { this.kept = this.pointed = null; this.at = [0, 0]; }
    const { settings, inputs } = setup, hidden = settings.hidden;
    const outputs = setup.kind === 'classes' ? setup.classes.map((name, k) => ({ kind: 'output', name, k })) : [{ kind: 'output', name: setup.kind === 'numbers' ? 'output' : `class ${setup.classes[1]}`, k: 0 }];
    let used = 0;
    const columns = [
      inputs.map(input => ({ kind: 'input', name: input.label, input, row: input.used ? used++ : null })),
      ...hidden.map((n, l) => Array.from({ length: n }, (_, k) => ({ kind: 'neuron', layer: l, k, name: `neuron ${k + 1}` }))),
      outputs,
    ];
    this.columns = columns;
    const width = this.width = this.root.clientWidth, narrow = width < 480, size = Math.max(24, Math.min(46, Math.floor(width / columns.length * .46)));
    const tight = width / columns.length < 98; // counts stand below each other
    const headSpace = narrow ? 84 : tight ? 106 : 58, pitch = size + (narrow ? 17 : 20), rows = Math.max(...columns.map(c => c.length), 4);
    const height = headSpace + rows * pitch + 4, inset = size / 2 + (narrow ? 10 : 24);
    this.root.style.height = `${height}px`;
    this.svg = s('svg', { 'aria-hidden': 'true' });
    const heads = [], nodes = [], captions = [];
    columns.forEach((column, c) => {
      const x = inset + (width - 2 * inset) * c / (columns.length - 1);
      const first = headSpace + (rows - column.length) * pitch / 2;
      column.forEach((node, r) => {
        Object.assign(node, { c, r, x, y: first + r * pitch + size / 2, size });
        node.canvas = h('canvas', { 'aria-hidden': 'true' });
        node.mark = node.kind === 'input' ? null : h('i');
        node.note = h('em');
        const about = { type: 'button', class: 'node', 'data-place': `${c}.${r}`, tabindex: -1, onfocus: () => { this.enter(c, r); this.point(node); }, onblur: () => this.point(null), onmouseenter: () => this.point(node), onmouseleave: () => this.point(null), onclick: () => this.press(node) };
        if (node.kind === 'input') about['aria-pressed'] = String(node.input.used);
        node.button = h('button', about, node.canvas, node.mark, node.note);
        Object.assign(node.button.style, { left: `${x - size / 2}px`, top: `${node.y - size / 2}px`, width: `${size}px`, height: `${size}px`, borderRadius: `${Math.round(size * .22)}px` });
        if (node.kind === 'input' && !node.input.used) node.button.classList.add('unused');
        nodes.push(node.button);
        if (node.kind !== 'neuron') {
          const span = Math.min(120, 2 * Math.min(x, width - x)), caption = h('span', { class: 'caption', 'aria-hidden': 'true', title: node.name }, node.name);
          Object.assign(caption.style, { left: `${x - span / 2}px`, width: `${span}px`, top: `${node.y + size / 2 + 2}px` });
          captions.push(caption);
        }
      });
      if (c > 0 && c < columns.length - 1) {
        const l = c - 1, n = hidden[l], set = m => { const next = [...hidden]; next[l] = m; this.change(next, `${m > n ? 'more' : 'fewer'}${l}`); };
        const head = h('div', { class: 'layer-head', role: 'group', 'aria-label': `Hidden layer ${c}` }, narrow ? null : h('span', {}, `hidden ${c}`),
          h('button', { type: 'button', 'data-what': `fewer${l}`, 'aria-label': `Remove a neuron from hidden layer ${c}`, disabled: n <= this.limits.neurons[0], onclick: () => set(n - 1) }, '−'), h('b', {}, String(n)),
          h('button', { type: 'button', 'data-what': `more${l}`, 'aria-label': `Add a neuron to hidden layer ${c}`, disabled: n >= this.limits.neurons[1], onclick: () => set(n + 1) }, '+'));
        const wide = narrow ? 28 : tight ? 56 : 92;
        if (tight) head.classList.add('tight');
        Object.assign(head.style, { left: `${x - wide / 2}px`, width: `${wide}px` });
        heads.push(head);
      } else {
        const title = h('div', { class: 'layer-head' }, c ? (narrow ? 'out' : 'output') : (narrow ? 'in' : 'inputs'));
        const wide = 2 * inset;
        Object.assign(title.style, { left: `${x - wide / 2}px`, width: `${wide}px` });
        heads.push(title);
      }
    });
    this.links = [];
    for (let c = 1; c < columns.length; c++) for (const to of columns[c]) for (const from of columns[c - 1]) {
      const row = from.kind === 'input' ? from.row : from.r;
      if (row === null) continue;
      const x0 = from.x + size / 2, x1 = to.x - size / 2, bend = (x1 - x0) / 2, d = `M${x0} ${from.y}C${x0 + bend} ${from.y} ${x1 - bend} ${to.y} ${x1} ${to.y}`;
      const link = { kind: 'link', from, to, layer: c - 1, i: row, j: to.r, path: s('path', { d, class: 'link none' }) };
      link.hit = s('path', { d, class: 'hit', onmouseenter: () => this.point(link), onmouseleave: () => this.point(null) });
      this.links.push(link);
    }
    this.svg.append(...this.links.map(l => l.path), ...this.links.map(l => l.hit));
    this.root.replaceChildren(this.svg, ...heads, ...nodes, ...captions);
    const [c, r] = this.at;
    this.enter(Math.min(c, columns.length - 1), Math.min(r, columns[Math.min(c, columns.length - 1)].length - 1));
    for (const node of columns[0]) this.paint(node, bytes(node.input.map));
    if (this.frame && !fresh) this.update(this.frame);
    const again = focused ?? this.wanted;
    this.wanted = null;
    if (again) (this.root.querySelector(`[data-place="${again}"], [data-what="${again}"]:not(:disabled)`) ?? this.node().button).focus();
  }

  node() { return this.columns[this.at[0]][this.at[1]]; }

  /** Tab stops at one node; arrows move on from there. */
  enter(c, r) {
    for (const node of this.columns.flat()) node.button.tabIndex = -1;
    this.at = [c, r];
    this.node().button.tabIndex = 0;
  }

  arrow(e) {
    if (!e.target.classList?.contains('node') || e.ctrlKey || e.metaKey || e.altKey) return;
    const [c, r] = this.at, column = this.columns[c];
    const side = to => { const other = this.columns[to]; return other ? [to, Math.round((r + .5) / column.length * other.length - .5)] : [c, r]; };
    const go = { ArrowUp: () => [c, Math.max(0, r - 1)], ArrowDown: () => [c, Math.min(column.length - 1, r + 1)], ArrowLeft: () => side(c - 1), ArrowRight: () => side(c + 1), Home: () => [0, 0], End: () => [this.columns.length - 1, 0] }[e.key];
    if (!go) return;
    e.preventDefault();
    const [x, y] = go();
    this.enter(x, Math.max(0, Math.min(y, this.columns[x].length - 1)));
    this.node().button.focus();
  }

  press(node) {
    if (node.kind === 'input') return this.toggle(node.input.name, `${node.c}.${node.r}`);
    this.kept = this.kept === node ? null : node;
    for (const other of this.columns.flat()) other.button.classList.toggle('kept', other === this.kept);
    this.inspect();
  }

  point(what) {
    if (!what && this.root.contains(document.activeElement)) what = this.columns.flat().find(n => n.button === document.activeElement) ?? null;
    for (const link of this.links) link.path.classList.toggle('on', link === what);
    this.pointed = what;
    this.inspect();
  }

  show(lines) { this.lines = lines; if (this.frame) this.update(this.frame); }

  paint(node, levels) {
    const curve = this.setup.axes.length === 1;
    if (curve) spark(node.canvas, levels); else signed(node.canvas, levels);
  }

  update(frame) {
    this.frame = frame;
    const { columns } = this, last = columns.length - 1;
    const values = frame.layers.map(l => this.lines === 'weight' ? l.weight : l.weight_gradient);
    let most = 0;
    for (const link of this.links) { const v = values[link.layer]?.[link.i]?.[link.j]; if (v !== null && v !== undefined) most = Math.max(most, Math.abs(v)); }
    for (const link of this.links) {
      const rows = values[link.layer], v = rows ? rows[link.i][link.j] : 0;
      const kind = v === null ? 'odd' : !rows || v === 0 ? 'none' : v > 0 ? 'plus' : 'minus';
      const on = link.path.classList.contains('on') ? ' on' : '';
      link.path.setAttribute('class', `link ${kind}${on}`);
      link.path.style.strokeWidth = (kind === 'none' ? 1 : v === null ? 2 : .7 + (WIDEST - .7) * Math.abs(v) / (most || 1)).toFixed(2);
    }
    columns.slice(1).flat().forEach(node => {
      const bias = frame.layers[node.c - 1].bias[node.r], size = frame.layers.flatMap(l => l.bias).reduce((a, b) => Math.max(a, Math.abs(b ?? 0)), 1e-12);
      node.mark.className = bias < 0 ? 'minus' : '';
      const wide = bias ? 5 + 8 * Math.abs(bias) / size : 0;
      Object.assign(node.mark.style, { width: `${wide}px`, height: `${wide}px`, display: wide ? '' : 'none' });
      if (node.kind === 'neuron') {
        const found = frame.neurons[node.layer][node.k];
        this.paint(node, bytes(found.map));
        const silent = found.low === found.high;
        say(node.note, silent ? (found.low === 0 ? '0' : 'const') : '');
        node.low = found.low; node.high = found.high;
      } else if (frame.output.curve) {
        const line = frame.output.curve.filter(v => v !== null), low = Math.min(...line), high = Math.max(...line);
        spark(node.canvas, frame.output.curve.map(v => v === null ? 0 : high > low ? 255 * (v - low) / (high - low) : 127));
      } else signed(node.canvas, bytes(frame.output.maps[node.k]), 127.5);
    });
    for (const node of columns.flat()) {
      const label = node.kind === 'input' ? `Input ${node.name}` : node.kind === 'output' ? `Output ${node.name}` : `Neuron ${node.k + 1} of hidden layer ${node.layer + 1}`;
      node.button.setAttribute('aria-label', label);
    }
    this.legend(most, !!values[last - 1]);
    this.inspect();
  }

  legend(most, there) {
    const line = (d, kind) => s('svg', { viewBox: '0 0 30 8', 'aria-hidden': 'true' }, s('path', { d: 'M0 4H30', class: `link ${kind}`, 'stroke-width': 3 }));
    const word = this.lines === 'weight' ? 'weight' : 'gradient';
    const size = there ? `widest line: a ${word} of size ${shown(most)}` : 'no gradient before the first step';
    if (!this.key.firstChild) this.key.append(h('span', {}, line('', 'plus'), 'positive'), h('span', {}, line('', 'minus'), 'negative'), h('span', { class: 'size num' }));
    say(this.key.lastChild, size);
  }

  /** Write the numbers of what is pointed at, or kept, or a hint. */
  inspect() {
    const what = this.pointed ?? this.kept, { frame, inspector } = this;
    if (!frame) return;
    const signs = v => h('td', { class: v > 0 ? 'plus-text' : v < 0 ? 'minus-text' : null }, shown(v));
    if (!what) {
      const count = frame.layers.reduce((n, l) => n + l.bias.length + l.weight.length * l.weight[0].length, 0);
      return inspector.replaceChildren(h('h3', {}, `${plural(count, 'number')} to learn`), h('p', {}, 'Point at a neuron or at a line, or go there with Tab and the arrow keys, to read its numbers. Enter keeps them here.'));
    }
    if (what.kind === 'link') {
      const l = frame.layers[what.layer], g = l.weight_gradient?.[what.i][what.j];
      return inspector.replaceChildren(h('h3', {}, `${what.from.name} → ${what.to.name}`), h('table', {}, h('tbody', {}, h('tr', {}, h('th', { scope: 'row' }, 'weight'), signs(l.weight[what.i][what.j])), h('tr', {}, h('th', { scope: 'row' }, '∂loss/∂weight, last batch'), g === undefined ? h('td', {}, 'none yet') : signs(g)))));
    }
    if (what.kind === 'input') {
      const { input } = what;
      return inspector.replaceChildren(h('h3', {}, `Input ${what.name}`), h('p', {}, `${input.used ? 'The network gets it.' : 'The network does not get it.'} In the picture from ${shown(input.low)} to ${shown(input.high)}. Enter or a click switches it ${input.used ? 'off' : 'on'}.`));
    }
    const l = frame.layers[what.c - 1], before = this.columns[what.c - 1].filter(n => n.kind !== 'input' || n.row !== null), f = what.kind === 'neuron' ? this.setup.settings.activation : '';
    const terms = before.map((from, i) => `${shown(l.weight[i][what.r], 3)}·${from.kind === 'neuron' ? `h${from.k + 1}` : from.name}`), sum = [...terms, shown(l.bias[what.r], 3)].join(' + ').replaceAll('+ −', '− ');
    const title = what.kind === 'neuron' ? `Neuron ${what.k + 1} of hidden layer ${what.layer + 1}` : `Output ${what.name}`, range = what.kind === 'neuron' ? `; in the picture from ${shown(what.low)} to ${shown(what.high)}` : '';
    const row = (name, of, bias) => h('tr', {}, h('th', { scope: 'row' }, name), ...before.map((_, i) => of ? signs(of[i][what.r]) : h('td', {}, '–')), bias ? signs(bias[what.r]) : h('td', {}, '–'));
    inspector.replaceChildren(
      h('h3', {}, title), h('p', { class: 'num' }, `${f && f !== 'identity' ? `${f}(${sum})` : sum}${range}`),
      h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'from'), ...before.map(from => h('th', { scope: 'col' }, from.name)), h('th', { scope: 'col' }, 'bias'))),
        h('tbody', {}, row('weight', l.weight, l.bias), row('gradient', l.weight_gradient, l.bias_gradient))));
  }
}
