// Colors and pictures: numbers and bytes become pixels. Knows no network and no server.

const PALETTE = {
  light: { plus: [47, 111, 224], minus: [232, 118, 45], mid: [250, 251, 253], ink: '#161c2b', halo: '#ffffff', mute: '#556076', grid: '#d3d9e6', test: '#7a3ea8', classes: [[224, 105, 31], [36, 99, 212], [15, 140, 122], [142, 78, 198], [168, 132, 0], [90, 105, 130]] },
  dark: { plus: [94, 150, 255], minus: [240, 132, 64], mid: [22, 29, 44], ink: '#e8ecf5', halo: '#0b1019', mute: '#9aa6bb', grid: '#2a3448', test: '#cf9bff', classes: [[255, 150, 86], [120, 168, 255], [64, 200, 182], [198, 150, 255], [226, 190, 60], [160, 174, 198]] },
};
export const palette = () => PALETTE[document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light'];
export const css = c => `rgb(${c.join(' ')})`;
const mix = (a, b, t) => [0, 1, 2].map(i => a[i] + (b[i] - a[i]) * t);

/** Bytes of a picture in base64. */
export const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

/** A number as people read it: four digits, a true minus. */
export function shown(v, digits = 4) {
  if (v === null || v === undefined) return 'not finite';
  if (v === 0) return '0';
  const size = Math.abs(v);
  const text = size >= 1e6 || size < 1e-4 ? v.toExponential(digits - 2) : String(+v.toPrecision(digits));
  return text.replace('-', '−').replace('e+', 'e').replace('e-', 'e−');
}

/** Make a canvas as sharp as the screen; returns its context and size in CSS pixels. */
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

let scratch = null;
function image(size, color) {
  scratch ??= document.createElement('canvas');
  scratch.width = scratch.height = size;
  const pen = scratch.getContext('2d'), data = pen.createImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    const c = color(i);
    data.data[4 * i] = c[0]; data.data[4 * i + 1] = c[1]; data.data[4 * i + 2] = c[2]; data.data[4 * i + 3] = 255;
  }
  pen.putImageData(data, 0, 0);
  return scratch;
}

/** A signed picture: orange below 0, blue above. */
export function signed(canvas, levels, middle = 128, strength = 1) {
  const size = Math.sqrt(levels.length), p = palette(), table = [];
  for (let v = 0; v < 256; v++) {
    const t = (v - middle) / (v < middle ? middle : 255 - middle);
    table.push(mix(p.mid, t < 0 ? p.minus : p.plus, strength * Math.min(1, Math.abs(t)) ** .85));
  }
  draw(canvas, image(size, i => table[levels[i]]));
}

/** Which class, and how sure: the color of the class, paler where it is in doubt. */
export function classes(canvas, maps) {
  const p = palette(), size = Math.sqrt(maps[0].length);
  if (maps.length === 1) return signed(canvas, maps[0], 127.5, .74);
  const colors = p.classes;
  draw(canvas, image(size, i => {
    let top = 0, c = [0, 0, 0];
    for (let k = 0; k < maps.length; k++) {
      const share = maps[k][i] / 255;
      top = Math.max(top, share);
      c = [0, 1, 2].map(j => c[j] + share * colors[k][j]);
    }
    const sure = (top - 1 / maps.length) / (1 - 1 / maps.length);
    return mix(p.mid, c, .12 + .68 * Math.max(0, sure));
  }));
}

function draw(canvas, from) {
  const { pen, width, height } = sharp(canvas);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(from, 0, 0, width, height);
}

/** A little curve, from bytes between its ends. */
export function spark(canvas, levels) {
  const { pen, width, height } = sharp(canvas), p = palette();
  pen.fillStyle = css(p.mid);
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = css(p.plus);
  pen.lineWidth = 2;
  pen.beginPath();
  levels.forEach((v, i) => pen.lineTo(i / (levels.length - 1) * width, height - 4 - v / 255 * (height - 8)));
  pen.stroke();
}

/** Lines where a field of numbers is 0 (marching squares), on a canvas that is drawn already. */
export function contour(canvas, field, size, style = {}) {
  const pen = canvas.getContext('2d'), w = canvas.clientWidth, h = canvas.clientHeight;
  const x = i => (i + .5) / size * w, y = j => (j + .5) / size * h;
  pen.lineWidth = style.width ?? 1.8;
  pen.strokeStyle = style.color ?? palette().ink;
  pen.setLineDash(style.dash ?? []);
  pen.beginPath();
  for (let j = 0; j + 1 < size; j++) for (let i = 0; i + 1 < size; i++) {
    const a = field(j * size + i), b = field(j * size + i + 1), c = field((j + 1) * size + i + 1), d = field((j + 1) * size + i);
    const cut = [];
    if (a > 0 !== b > 0) cut.push([x(i + a / (a - b)), y(j)]);
    if (b > 0 !== c > 0) cut.push([x(i + 1), y(j + b / (b - c))]);
    if (c > 0 !== d > 0) cut.push([x(i + 1 - c / (c - d)), y(j + 1)]);
    if (d > 0 !== a > 0) cut.push([x(i), y(j + 1 - d / (d - a))]);
    for (let k = 0; k + 1 < cut.length; k += 2) { pen.moveTo(...cut[k]); pen.lineTo(...cut[k + 1]); }
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** The outline of the mark of a class: each has its own shape. */
export function mark(pen, k, x, y, r) {
  pen.beginPath();
  const poly = (n, turn, size) => { for (let i = 0; i < n; i++) pen.lineTo(x + size * Math.cos(turn + 2 * Math.PI * i / n), y + size * Math.sin(turn + 2 * Math.PI * i / n)); pen.closePath(); };
  [() => pen.arc(x, y, r, 0, 7), () => poly(3, -Math.PI / 2, r * 1.35), () => poly(4, Math.PI / 4, r * 1.25), () => poly(4, 0, r * 1.35), () => poly(5, -Math.PI / 2, r * 1.25), () => poly(6, 0, r * 1.15)][k % 6]();
}

/** Points: those trained on are filled, those tested on are rings. `edge`: their color is a number, so they need one. */
export function points(pen, rows, place, color, kind, filled, edge = false) {
  const p = palette();
  const spot = (row, r, fill) => { const [x, y] = place(row); mark(pen, kind(row), x, y, r); pen.fillStyle = fill; pen.fill(); };
  for (const row of rows) {
    const c = css(color(row));
    if (edge) { spot(row, 4.3, p.ink); spot(row, 3.4, c); if (!filled) spot(row, 1.5, p.ink); }
    else if (filled) { spot(row, 4.6, p.halo); spot(row, 3.6, c); }
    else { spot(row, 3.9, c); spot(row, 2.4, p.halo); }
  }
}

/** Losses over the steps. */
export function losses(canvas, rows, log) {
  const { pen, width, height } = sharp(canvas), p = palette();
  const left = 44, bottom = height - 18, right = width - 6, top = 6;
  const numbers = rows.flatMap(r => [r[1], r[2]]).filter(v => v !== null && (!log || v > 0));
  if (!numbers.length) return;
  let low = Math.min(...numbers), high = Math.max(...numbers);
  if (!log) low = Math.min(0, low);
  if (high <= low) high = low + (Math.abs(low) || 1);
  const last = Math.max(rows[rows.length - 1][0], 1);
  const level = v => log ? Math.log(v) : v, a = level(low), b = level(high) === a ? a + 1 : level(high);
  const x = s => left + s / last * (right - left), y = v => bottom - (level(v) - a) / (b - a) * (bottom - top);
  pen.font = '11px system-ui, sans-serif';
  pen.fillStyle = p.mute;
  pen.strokeStyle = p.grid;
  pen.lineWidth = 1;
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  for (const t of [0, .5, 1]) {
    const at = bottom - t * (bottom - top), v = log ? Math.exp(a + t * (b - a)) : a + t * (b - a);
    pen.beginPath(); pen.moveTo(left, Math.round(at) + .5); pen.lineTo(right, Math.round(at) + .5); pen.stroke();
    pen.fillText(shown(v, 2), left - 5, Math.max(at, 7));
  }
  pen.textBaseline = 'bottom';
  pen.textAlign = 'left';
  pen.fillText('0', left, height);
  pen.textAlign = 'right';
  pen.fillText(`${last.toLocaleString('en')} step${last === 1 ? '' : 's'}`, right, height);
  for (const [column, color, dash] of [[2, p.test, [5, 4]], [1, p.ink, []]]) {
    pen.strokeStyle = color;
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    let pendown = false;
    for (const row of rows) {
      if (row[column] === null || (log && row[column] <= 0)) { pendown = false; continue; }
      pen[pendown ? 'lineTo' : 'moveTo'](x(row[0]), y(row[column]));
      pendown = true;
    }
    pen.stroke();
    pen.setLineDash([]);
    const end = rows[rows.length - 1];
    if (end[column] !== null && (!log || end[column] > 0)) { pen.fillStyle = color; pen.beginPath(); pen.arc(x(end[0]), y(end[column]), 3, 0, 7); pen.fill(); }
  }
}
