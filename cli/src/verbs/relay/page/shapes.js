// The shapes and colours of the fates: the same in the lanes, the legend and the list.

const TURN = 2 * Math.PI;

/** Draws the shape of a fate round the origin; `r` is half its size. The colour is that of the canvas. */
const DRAW = {
  passed(pen, r) {
    pen.beginPath();
    pen.arc(0, 0, r * 0.85, 0, TURN);
    pen.fill();
  },
  lost(pen, r) {
    pen.lineWidth = r * 0.5;
    pen.beginPath();
    for (const side of [-1, 1]) {
      pen.moveTo(-r * 0.75, -r * 0.75 * side);
      pen.lineTo(r * 0.75, r * 0.75 * side);
    }
    pen.stroke();
  },
  doubled(pen, r) {
    pen.lineWidth = r * 0.32;
    pen.beginPath();
    pen.arc(-r * 0.35, 0, r * 0.65, 0, TURN);
    pen.fill();
    pen.beginPath();
    pen.arc(r * 0.45, 0, r * 0.65, 0, TURN);
    pen.stroke();
  },
  late(pen, r) {
    pen.lineWidth = r * 0.32;
    pen.beginPath();
    pen.arc(0, 0, r * 0.8, 0, TURN);
    pen.moveTo(0, -r * 0.5);
    pen.lineTo(0, 0);
    pen.lineTo(r * 0.4, r * 0.15);
    pen.stroke();
  },
  corrupted(pen, r) {
    const half = r * 0.8;
    pen.fillRect(-half, -half, 2 * half, half * 0.75);
    pen.fillRect(-half * 0.4, -half * 0.25, half * 1.4, half * 0.5);
    pen.fillRect(-half, half * 0.25, 2 * half, half * 0.75);
  },
  overtaken(pen, r) {
    pen.lineWidth = r * 0.32;
    pen.beginPath();
    pen.moveTo(0, -r * 0.95);
    pen.lineTo(r * 0.95, 0);
    pen.lineTo(0, r * 0.95);
    pen.lineTo(-r * 0.95, 0);
    pen.closePath();
    pen.stroke();
    pen.beginPath();
    pen.arc(0, 0, r * 0.25, 0, TURN);
    pen.fill();
  },
};

/** Draws a fate at a place of a canvas, in this colour. */
export function draw(pen, fate, x, y, r, colour) {
  pen.save();
  pen.translate(x, y);
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineCap = "round";
  DRAW[fate](pen, r);
  pen.restore();
}

/** The colour of a custom property, as the theme in force has it. */
export function colour(name) {
  const probe = document.getElementById("probe") ?? document.body.appendChild(document.createElement("i"));
  probe.id = "probe";
  probe.hidden = true;
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** A small picture of a fate, for a line of text: the words beside it say the same. */
export function picture(fate) {
  const canvas = document.createElement("canvas");
  canvas.className = "shape";
  canvas.dataset.fate = fate;
  canvas.setAttribute("aria-hidden", "true");
  paint(canvas);
  return canvas;
}

/** Draws a small picture again, after the theme or the size changed. */
export function paint(canvas) {
  canvas.width = canvas.height = 40;
  draw(canvas.getContext("2d"), canvas.dataset.fate, 20, 20, 16, colour(canvas.dataset.fate));
}

/** Fits a canvas to its place on the page; gives its pen and its size, in CSS pixels. */
export function fit(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}
