// A network as a function: every sum, every activation, every contribution, at one point or at many. Pure: no page.
// Runs under node too. A layer is {inputs, units, w: [inputs × units], b: [units], formula}; layer 0 holds the inputs.
const Network = (() => {
  'use strict';
  const functions = new Map();

  // The function of a layer as ([z of each unit]) => [a of each unit].
  function activation(formula) {
    if (!functions.has(formula)) functions.set(formula, formula === '' ? z => z : formula === 'softmax' ? softmax : formula === 'log_softmax' ? logSoftmax : each(Formula.compile(formula)));
    return functions.get(formula);
  }
  const each = f => z => z.map(v => f({ z: v }));
  function softmax(z) {
    const most = Math.max(...z), e = z.map(v => Math.exp(v - most)), sum = e.reduce((a, b) => a + b, 0);
    return e.map(v => v / sum);
  }
  function logSoftmax(z) {
    const most = Math.max(...z), sum = Math.log(z.reduce((a, v) => a + Math.exp(v - most), 0));
    return z.map(v => v - most - sum);
  }
  const sigmoid = z => z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z));

  // What every unit gets and gives at a point: [{z, a}] for each layer, the inputs first (as a; they have no z).
  function forward(layers, point) {
    const found = [{ z: null, a: [...point] }];
    for (const { inputs, units, w, b, formula } of layers) {
      const before = found[found.length - 1].a, z = [];
      for (let j = 0; j < units; j++) {
        let sum = 0;
        for (let i = 0; i < inputs; i++) sum += before[i] * w[i * units + j];
        z.push(sum + b[j]);
      }
      found.push({ z, a: activation(formula)(z) });
    }
    return found;
  }

  // The same at many points: [{z: [Float64Array of each unit], a: …}]; points are [array of each feature].
  function run(layers, features) {
    const n = features[0].length, found = [{ z: null, a: features }];
    for (const { inputs, units, w, b, formula } of layers) {
      const before = found[found.length - 1].a, z = [];
      for (let j = 0; j < units; j++) {
        const sum = new Float64Array(n);
        for (let i = 0; i < inputs; i++) {
          const v = w[i * units + j], x = before[i];
          for (let k = 0; k < n; k++) sum[k] += x[k] * v;
        }
        for (let k = 0; k < n; k++) sum[k] += b[j];
        z.push(sum);
      }
      let a;
      if (formula === 'softmax' || formula === 'log_softmax') {
        a = z.map(() => new Float64Array(n));
        for (let k = 0; k < n; k++) activation(formula)(z.map(v => v[k])).forEach((v, j) => { a[j][k] = v; });
      } else {
        const f = formula === '' ? null : Formula.compile(formula), at = { z: 0 };
        a = f ? z.map(v => v.map(x => { at.z = x; return f(at); })) : z;
      }
      found.push({ z, a });
    }
    return found;
  }

  // How a unit's sum comes about: what each input adds, and how far the sum has got. `l` counts from 1. After all
  // contributions and the bias, `sums` ends with z, to the last bit the number that `forward` has.
  function parts(layers, states, l, unit) {
    const { inputs, units, w, b } = layers[l - 1], before = states[l - 1].a;
    const weights = Array.from({ length: inputs }, (_, i) => w[i * units + unit]);
    const at = (i, k) => (k === undefined ? before[i] : before[i][k]) * weights[i];
    return { count: inputs, weights, bias: b[unit], at };
  }

  // The sum of the first `steps` contributions, and of the bias if steps > count, at a point (k left out) or for all.
  function partial({ count, bias, at }, steps, n) {
    if (n === undefined) {
      let sum = 0;
      for (let i = 0; i < Math.min(steps, count); i++) sum += at(i);
      return steps > count ? sum + bias : sum;
    }
    const sum = new Float64Array(n);
    for (let i = 0; i < Math.min(steps, count); i++) for (let k = 0; k < n; k++) sum[k] += at(i, k);
    if (steps > count) for (let k = 0; k < n; k++) sum[k] += bias;
    return sum;
  }

  const line = (lo, hi, n) => Float64Array.from({ length: n }, (_, i) => lo + (hi - lo) * i / (n - 1));

  // Points of a line, or of a lattice whose first row is the upper one.
  function lattice(span, n) {
    if (span.length === 1) return [line(...span[0], n)];
    const across = line(...span[0], n), up = line(...span[1], n), x = new Float64Array(n * n), y = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) { x[i * n + j] = across[j]; y[i * n + j] = up[n - 1 - i]; }
    return [x, y];
  }

  // Which class is decided for, and how sure: outputs → {best, sure: 0 … 1}. One output is the second of two classes.
  function decide(outputs, how) {
    let p = outputs;
    if (p.length === 1) { const q = how === 'probability' ? p[0] : sigmoid(p[0]); p = [1 - q, q]; }
    else if (how !== 'probability') p = softmax(p);
    const best = p.indexOf(Math.max(...p)), n = p.length;
    return { best, sure: Math.max(0, (p[best] - 1 / n) / (1 - 1 / n)), p };
  }

  // Round numbers in a range, for an axis.
  function ticks(lo, hi, most) {
    if (!(hi > lo)) return [lo];
    const raw = (hi - lo) / most, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find(m => m * power >= raw * .999) * power;
    const found = [];
    for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k++) found.push(k === 0 ? 0 : +(k * step).toPrecision(12));
    return found;
  }

  function extent(arrays) {
    let lo = Infinity, hi = -Infinity;
    for (const a of arrays) for (const v of a) if (Number.isFinite(v)) { if (v < lo) lo = v; if (v > hi) hi = v; }
    return lo > hi ? [-1, 1] : lo === hi ? [lo - 1, hi + 1] : [lo, hi];
  }

  return { forward, run, parts, partial, lattice, line, decide, ticks, extent, sigmoid };
})();
if (typeof module === 'object') module.exports = Network;
