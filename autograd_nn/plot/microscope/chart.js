// Pictures: curves over one feature as SVG, maps over two as canvas. Colours are those of the style sheet.
const Chart = (() => {
  'use strict';
  const { h, s, text } = Elements, N = Network, T = Timeline;
  const MARKS = ['circle', 'square', 'diamond', 'triangle'];

  // ---- curves -----------------------------------------------------------------------------------------------------

  const path = (x, y, px, py) => {
    let d = '', pen = false;
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(y[i])) { pen = false; continue; }
      d += `${pen ? 'L' : 'M'}${px(x[i]).toFixed(1)} ${py(y[i]).toFixed(1)}`;
      pen = true;
    }
    return d;
  };

  function mark(shape, x, y, r, name, fill) {
    const e = shape === 'circle' ? s('circle', { cx: x, cy: y, r }) : s('path', { d: outline(shape, x, y, r) });
    e.setAttribute('class', 'point ' + (name || ''));
    if (fill) e.style.fill = fill;
    return e;
  }

  function outline(shape, x, y, r) {
    const q = r * .9;
    return { square: `M${x - q} ${y - q}h${2 * q}v${2 * q}h${-2 * q}z`, diamond: `M${x} ${y - r * 1.3}L${x + r * 1.3} ${y}L${x} ${y + r * 1.3}L${x - r * 1.3} ${y}z`, triangle: `M${x} ${y - r * 1.2}L${x + r * 1.1} ${y + r * .9}L${x - r * 1.1} ${y + r * .9}z` }[shape];
  }

  // {width, height, span, range, lines: [{y, class, x}], band: [y, y], points: [{x, y, class, mark}], pick, log}: `setProbe(x, [y])` of the
  // result marks a place.
  function curves(o) {
    const M = { l: 50, r: 18, t: 12, b: o.xLabel ? 38 : 22 }, W = Math.max(140, o.width), H = o.height;
    const [x0, x1] = o.span, [y0, y1] = o.range, value = o.log ? Math.log10 : v => v;
    const px = v => M.l + (v - x0) / (x1 - x0 || 1) * (W - M.l - M.r), py = v => H - M.b - (value(v) - value(y0)) / (value(y1) - value(y0) || 1) * (H - M.t - M.b);
    const g = s('svg', { class: 'chart1', viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: 'img', 'aria-label': o.label });
    const rows = o.log ? logTicks(y0, y1) : N.ticks(y0, y1, Math.max(2, H / 46));
    for (const v of rows) {
      g.append(s('path', { class: !o.log && v === 0 ? 'zero' : 'grid', d: `M${M.l} ${py(v).toFixed(1)}H${W - M.r}` }), text(T.format(v, Number.isInteger(v) && Math.abs(v) < 1e5), { class: 'tick', x: M.l - 6, y: py(v) + 3.5, 'text-anchor': 'end' }));
    }
    for (const v of N.ticks(x0, x1, Math.max(3, W / 64))) g.append(text(T.format(v, Number.isInteger(v)), { class: 'tick', x: px(v), y: H - M.b + 14, 'text-anchor': 'middle' }));
    if (o.xLabel) g.append(text(o.xLabel, { class: 'tick', x: (M.l + W - M.r) / 2, y: H - 6, 'text-anchor': 'middle' }));
    if (o.band) {
      const [a, b] = o.band, back = path([...o.x].reverse(), [...b].reverse(), px, py);
      if (back) g.append(s('path', { class: 'band', d: path(o.x, a, px, py) + back.replace('M', 'L') + 'Z' }));
    }
    for (const line of o.lines) g.append(s('path', { class: 'line ' + line.class, d: path(line.x || o.x, line.y, px, py) }));
    for (const p of o.points || []) g.append(mark(p.mark || 'circle', px(p.x), p.rug ? H - M.b - 6 : py(p.y), o.points.length > 60 ? 3 : 4, p.class));
    const probe = s('g', {});
    g.append(probe);
    g.setProbe = (x, ys) => probe.replaceChildren(s('path', { class: 'probe', d: `M${px(x).toFixed(1)} ${M.t}V${H - M.b}` }), ...ys.filter(Number.isFinite).map(y => s('circle', { class: 'dot1', cx: px(x), cy: py(y), r: 4.5 })));
    if (o.pick) {
      const at = e => { const r = g.getBoundingClientRect(); o.pick(Math.max(x0, Math.min(x1, x0 + ((e.clientX - r.left) * W / r.width - M.l) / (W - M.l - M.r) * (x1 - x0)))); };
      g.addEventListener('pointermove', e => { if (e.pointerType === 'mouse' || e.buttons) at(e); });
      g.addEventListener('pointerdown', at);
    }
    return g;
  }

  function logTicks(lo, hi) {
    const found = [], a = Math.ceil(Math.log10(lo) - 1e-9), b = Math.floor(Math.log10(hi) + 1e-9), step = Math.max(1, Math.ceil((b - a) / 5));
    for (let k = a; k <= b; k += step) found.push(+(10 ** k).toPrecision(3));
    return found.length ? found : [lo, hi];
  }

  // A small picture without axes: lines over the same points.
  function small(x, lines, span, range) {
    const px = v => (v - span[0]) / (span[1] - span[0]) * 100, py = v => 42 - (v - range[0]) / (range[1] - range[0]) * 40;
    const zero = py(0), g = s('svg', { class: 'small', viewBox: '0 0 100 44', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    if (zero > 0 && zero < 44) g.append(s('path', { class: 'zero', d: `M0 ${zero.toFixed(1)}H100` }));
    for (const line of lines) g.append(s('path', { class: 'line ' + line.class, d: path(x, line.y, px, py) }));
    return g;
  }

  // ---- maps -------------------------------------------------------------------------------------------------------

  const parse = color => (color.match(/[\da-f]{2}/gi) || []).map(v => parseInt(v, 16));
  const pack = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0; // a pixel of an image, on machines that we know
  const hex = color => color.length === 4 ? '#' + [...color.slice(1)].map(c => c + c).join('') : color;
  function palette(root) {
    const style = getComputedStyle(root), get = name => hex(style.getPropertyValue(name).trim());
    const [low, middle, high] = ['--low', '--middle', '--high'].map(name => parse(get(name)));
    const table = Array.from({ length: 257 }, (_, i) => {
      const t = (i - 128) / 128, end = t < 0 ? low : high, k = Math.abs(t) ** .8;
      return middle.map((m, c) => Math.round(m + (end[c] - m) * k));
    });
    return { table, packed: Uint32Array.from(table, pack), middle, ink: get('--ink'), bad: parse(get('--bad')), classes: Array.from({ length: 8 }, (_, i) => get('--class' + i)) };
  }

  // Fills a canvas with what `pixel(k)` returns for each of its pixels.
  function picture(canvas, pixel) {
    const { width, height } = canvas, context = canvas.getContext('2d'), image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    for (let k = 0; k < pixels.length; k++) pixels[k] = pixel(k);
    context.putImageData(image, 0, 0);
    return context;
  }
  const shade = (v, limit) => Number.isFinite(v) ? Math.round(128 + 128 * Math.max(-1, Math.min(1, limit ? v / limit : 0))) : -1;

  const shaded = (v, limit, colors) => `rgb(${colors.table[shade(v, limit)]})`;

  // Values of a lattice, smoothly, −limit … limit from one colour to the other; a line where they are 0.
  function paint(canvas, values, n, limit, colors, contour = true) {
    const { width, height } = canvas, field = resample(values, n, width, height), none = pack(colors.middle);
    const context = picture(canvas, k => { const i = shade(field[k], limit); return i < 0 ? none : colors.packed[i]; });
    if (contour) edge(context, width, height, k => field[k] < 0, colors.ink);
  }

  // Who decides where: outputs of all classes → colours, the paler the less sure.
  function decisions(canvas, outputs, n, how, colors) {
    const { width, height } = canvas, points = outputs[0].length, inks = outputs.length === 1 ? [colors.table[0], colors.table[256]] : colors.classes.map(parse);
    const count = Math.max(2, outputs.length), chances = Array.from({ length: count }, () => new Float64Array(points));
    for (let q = 0; q < points; q++) N.decide(outputs.map(o => o[q]), how).p.forEach((v, c) => { chances[c][q] = v; });
    const fields = chances.map(p => resample(p, n, width, height)), best = new Uint8Array(width * height), shades = inks.map(ink => Uint32Array.from({ length: 65 }, (_, i) => pack(colors.middle.map((m, c) => Math.round(m + (ink[c] - m) * (.12 + .62 * i / 64))))));
    const context = picture(canvas, k => {
      let c = 0;
      for (let j = 1; j < count; j++) if (fields[j][k] > fields[c][k]) c = j;
      best[k] = c;
      return shades[c % shades.length][Math.round(64 * Math.max(0, Math.min(1, (fields[c][k] - 1 / count) / (1 - 1 / count)))) || 0];
    });
    edge(context, width, height, k => best[k], colors.ink);
  }

  function edge(context, w, H, side, ink) {
    context.fillStyle = ink;
    const thick = Math.max(1, Math.round(w / 260));
    for (let y = 0; y < H - 1; y++) for (let x = 0; x < w - 1; x++) {
      const k = y * w + x, here = side(k);
      if (here !== side(k + 1) || here !== side(k + w)) context.fillRect(x, y, thick, thick);
    }
  }

  function resample(values, n, w, H) {
    const out = new Float32Array(w * H);
    for (let y = 0; y < H; y++) {
      const fy = y / (H - 1 || 1) * (n - 1), i = Math.min(n - 2, Math.floor(fy)), v = fy - i;
      for (let x = 0; x < w; x++) {
        const fx = x / (w - 1 || 1) * (n - 1), j = Math.min(n - 2, Math.floor(fx)), u = fx - j, at = i * n + j;
        out[y * w + x] = (values[at] * (1 - u) + values[at + 1] * u) * (1 - v) + (values[at + n] * (1 - u) + values[at + n + 1] * u) * v;
      }
    }
    return out;
  }

  const canvas = (size, extra = {}) => h('canvas', { width: size, height: size, ...extra });

  // A map with axes, points and a probe: {size, span, draw(canvas), points, probe, pick, labels, label}
  function plane(o) {
    const M = { l: 44, r: 8, t: 8, b: 36 }, S = Math.max(120, o.size), [[x0, x1], [y0, y1]] = o.span;
    const px = v => M.l + (v - x0) / (x1 - x0) * S, py = v => M.t + (1 - (v - y0) / (y1 - y0)) * S;
    const field = canvas(Math.min(440, Math.round(S * Math.min(2, devicePixelRatio || 1))), { class: 'field', 'aria-hidden': 'true' });
    o.draw(field);
    const g = s('svg', { class: 'chart1', viewBox: `0 0 ${S + M.l + M.r} ${S + M.t + M.b}`, width: S + M.l + M.r, height: S + M.t + M.b, role: 'img', 'aria-label': o.label });
    for (const v of N.ticks(x0, x1, 7)) g.append(text(T.format(v, Number.isInteger(v)), { class: 'tick', x: px(v), y: M.t + S + 14, 'text-anchor': 'middle' }));
    for (const v of N.ticks(y0, y1, 7)) g.append(text(T.format(v, Number.isInteger(v)), { class: 'tick', x: M.l - 5, y: py(v) + 3.5, 'text-anchor': 'end' }));
    g.append(s('rect', { class: 'frame', x: M.l, y: M.t, width: S, height: S }));
    if (o.names) g.append(text(o.names[0], { class: 'tick', x: M.l + S / 2, y: M.t + S + 30, 'text-anchor': 'middle' }), text(o.names[1], { class: 'tick', x: -(M.t + S / 2), y: 11, 'text-anchor': 'middle', transform: 'rotate(-90)' }));
    for (const p of o.points || []) if (p.x >= x0 && p.x <= x1 && p.y >= y0 && p.y <= y1) g.append(mark(p.mark || 'circle', px(p.x), py(p.y), o.points.length > 60 ? 3.4 : 5, p.class, p.fill));
    const probe = s('g', {});
    g.append(probe);
    if (o.pick) {
      const clip = (v, lo, hi) => Math.max(lo, Math.min(hi, v));
      const at = e => { const r = g.getBoundingClientRect(), k = (S + M.l + M.r) / r.width; o.pick(clip(x0 + ((e.clientX - r.left) * k - M.l) / S * (x1 - x0), x0, x1), clip(y1 - ((e.clientY - r.top) * k - M.t) / S * (y1 - y0), y0, y1)); };
      g.addEventListener('pointermove', e => { if (e.pointerType === 'mouse' || e.buttons) at(e); });
      g.addEventListener('pointerdown', at);
    }
    const box = h('div', { class: 'plane' }, field, g);
    box.setProbe = ([x, y]) => probe.replaceChildren(s('path', { class: 'probe', d: `M${px(x).toFixed(1)} ${M.t}v${S}M${M.l} ${py(y).toFixed(1)}h${S}` }), s('circle', { class: 'dot1', cx: px(x), cy: py(y), r: 4.5 }));
    Object.assign(field.style, { left: M.l + 'px', top: M.t + 'px', width: S + 'px', height: S + 'px' });
    return box;
  }

  // Which colour stands for which number.
  const ramp = limit => h('div', { class: 'scale', 'aria-hidden': 'true' }, h('span', { class: 'num' }, T.format(-limit)), h('i', { class: 'ramp' }), h('span', { class: 'num' }, T.format(limit)));

  // What the marks of the points stand for.
  const legend = (classes, one) => h('p', { class: 'classes' }, classes.map((name, i) => h('span', {}, s('svg', { width: 14, height: 14, 'aria-hidden': 'true' }, mark(MARKS[i % 4], 7, 7, 4.6, `class${i % 8}${one ? ' one' : ''}`)), name)));

  // What the lines stand for: [[class, words]].
  const kinds = list => h('p', { class: 'kinds' }, list.map(([name, words]) => h('span', {}, s('svg', { width: 26, height: 8, 'aria-hidden': 'true' }, s('path', { class: 'line ' + name, d: 'M1 4H25' })), words)));

  // A matrix as squares, row by row; −limit … limit.
  function matrix(values, rows, columns, limit, colors, most = 120) {
    const cell = Math.max(2, Math.min(16, Math.floor(most / Math.max(rows, columns)))), c = h('canvas', { class: 'matrix', width: columns, height: rows, 'aria-hidden': 'true' });
    const bad = pack(colors.bad);
    picture(c, k => { const i = shade(values[k], limit); return i < 0 ? bad : colors.packed[i]; });
    Object.assign(c.style, { width: Math.min(most, columns * cell) + 'px', height: Math.min(most, rows * cell) + 'px' });
    return c;
  }

  return { curves, small, plane, paint, decisions, shaded, ramp, legend, kinds, matrix, palette, canvas, MARKS };
})();
