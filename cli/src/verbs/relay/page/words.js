// What the page says, in English and in Indonesian.

/** Each text: English, Indonesian. In braces: what is put in. */
export const WORDS = {
  skip: ["Skip to the impairments", "Lompat ke gangguan"],
  seed: ["Seed", "Benih"],
  peers: ["Peers", "Peer"],
  running: ["Running", "Berjalan"],
  language: ["Language", "Bahasa"],
  theme: ["Colours", "Warna"],
  themeAuto: ["as the system", "ikut sistem"],
  themeLight: ["light", "terang"],
  themeDark: ["dark", "gelap"],
  large: ["Large, for a projector", "Besar, untuk proyektor"],
  connecting: ["Connecting to the relay …", "Menghubungi relay …"],
  connected: ["Connected", "Terhubung"],
  connectedMissed: ["Connected; the page missed {count} events", "Terhubung; {count} peristiwa terlewat oleh halaman ini"],
  lostConnection: ["Lost the connection to the relay. Next attempt in {seconds} s.",
    "Sambungan ke relay terputus. Dicoba lagi dalam {seconds} dtk."],
  token: ["Token of this relay", "Token relay ini"],
  tokenUse: ["Use", "Pakai"],
  tokenWhy: ["This relay can be steered from other hosts, so it asks for the token that it was started with.",
    "Relay ini dapat dikendalikan dari komputer lain, karena itu diminta token yang diberikan ketika ia dijalankan."],

  lanes: ["Datagrams on their way", "Datagram di perjalanan"],
  motion: ["Slow motion", "Gerak lambat"],
  motionAuto: ["automatic", "otomatis"],
  motionReal: ["off (real time)", "mati (waktu nyata)"],
  motionSlow: ["× {factor}: {shown} ms of the network take 1 s here.",
    "× {factor}: {shown} ms di jaringan menjadi 1 dtk di sini."],
  still: ["Your system asks for reduced motion, so the list of the last datagrams replaces the animation.",
    "Sistem Anda meminta gerakan dikurangi, jadi daftar datagram terakhir menggantikan animasi."],
  upTitle: ["Up: peers to target", "Naik: peer ke tujuan"],
  downTitle: ["Down: target to peers", "Turun: tujuan ke peer"],
  up: ["Up", "Naik"],
  down: ["Down", "Turun"],
  both: ["Both", "Keduanya"],
  endPeers: ["peers", "peer"],
  endTarget: ["target", "tujuan"],
  sent: ["sent", "dikirim"],
  arrived: ["arrived", "tiba"],
  allShown: ["All are shown.", "Semua ditampilkan."],
  sampled: ["{kept} of {of} shown", "{kept} dari {of} ditampilkan"],
  skipped: ["{shown} of the last {came} shown", "{shown} dari {came} yang terakhir ditampilkan"],
  laneLabel: ["{title}. {came} came, {left} left, {lost} were lost, {waiting} are under way.",
    "{title}. {came} datang, {left} keluar, {lost} hilang, {waiting} di perjalanan."],
  pause: ["Pause", "Jeda"],
  resume: ["Resume", "Lanjut"],
  step: ["Step", "Selangkah"],
  stepWhy: ["Lets the next datagram leave", "Melepas satu datagram berikutnya"],
  injectLast: ["Copy the last", "Salin yang terakhir"],
  injectLastWhy: ["Sends a copy of the last datagram at once", "Mengirim salinan datagram terakhir seketika"],
  reset: ["Reset", "Mulai ulang"],
  resetWhy: ["Clears the counters, and makes the random choices from the seed again", "Mengosongkan hitungan, dan mengulang pilihan acak dari benih"],
  came: ["came", "datang"],
  left: ["left", "keluar"],
  delayP50: ["delay p50", "tundaan p50"],
  reordered: ["reordered", "diacak urutannya"],
  marked: ["marked (CE)", "ditandai (CE)"],
  waiting: ["under way", "di perjalanan"],

  passed: ["passed", "lewat"],
  lost: ["lost", "hilang"],
  doubled: ["doubled", "ganda"],
  late: ["late", "terlambat"],
  corrupted: ["corrupted", "rusak"],
  overtaken: ["overtaken", "disalip"],
  copy: ["copy", "salinan"],
  forgotten: ["not sent", "tidak terkirim"],
  passedWhy: ["Left as it came.", "Keluar seperti ketika datang."],
  lostWhy: ["Never leaves; it falls where it was lost.", "Tidak pernah keluar; jatuh di tempat ia hilang."],
  doubledWhy: ["A copy leaves too.", "Salinannya juga keluar."],
  lateWhy: ["Takes over twice the median, and over 5 ms more.", "Lebih dari dua kali median, dan lebih dari 5 ms di atasnya."],
  corruptedWhy: ["Leaves with an inverted bit.", "Keluar dengan satu bit terbalik."],
  overtakenWhy: ["A later one left before it.", "Yang datang kemudian keluar lebih dahulu."],
  byDrop: ["chosen", "dipilih"],
  byLoss: ["loss", "hilang"],
  byBlackout: ["blackout", "padam"],
  byMtu: ["MTU", "MTU"],
  byQueue: ["queue", "antrean"],
  byCodel: ["CoDel", "CoDel"],
  byRoom: ["no room", "penuh"],
  stageDuplicate: ["double", "ganda"],
  stageCorrupt: ["corrupt", "rusak"],
  stageDelay: ["delay", "tunda"],
  stageReorder: ["reorder", "acak urut"],

  impairments: ["Impairments", "Gangguan"],
  clear: ["Remove all", "Hapus semua"],
  applyTo: ["Direction", "Arah"],
  preset: ["Preset", "Contoh siap pakai"],
  presetChoose: ["choose …", "pilih …"],
  apply: ["Apply", "Terapkan"],
  groupLoss: ["Loss", "Hilang"],
  groupDamage: ["Copies, damage, order", "Salinan, kerusakan, urutan"],
  groupTime: ["Time", "Waktu"],
  groupWidth: ["Rate and queue", "Laju dan antrean"],
  loss: ["Loss", "Hilang"],
  "delay-in-bad": ["Extra delay while bad", "Tundaan tambahan saat buruk"],
  drop: ["Drop these", "Buang yang ini"],
  match: ["Only payloads that match", "Hanya muatan yang cocok"],
  from: ["Only from this network", "Hanya dari jaringan ini"],
  duplicate: ["Duplicate", "Gandakan"],
  corrupt: ["Corrupt", "Rusakkan"],
  reorder: ["Reorder", "Acak urutan"],
  delay: ["Delay", "Tundaan"],
  jitter: ["Jitter", "Jitter"],
  "allow-reorder": ["Jitter may change the order", "Jitter boleh mengubah urutan"],
  rate: ["Rate", "Laju"],
  queue: ["Queue", "Antrean"],
  codel: ["CoDel (target, interval)", "CoDel (target, selang)"],
  trace: ["Trace (from its start)", "Jejak (dari awalnya)"],
  mtu: ["Largest datagram (MTU)", "Datagram terbesar (MTU)"],
  blackout: ["Blackout", "Padam"],
  slider: ["{name}, slider", "{name}, penggeser"],
  examples: ["{name}: examples", "{name}: contoh"],
  exampleNone: ["none", "tidak ada"],
  more: ["More", "Lainnya"],
  differs: ["↑{up} ↓{down}", "↑{up} ↓{down}"],
  isSet: ["{name}: {value}", "{name}: {value}"],
  isRemoved: ["{name}: none", "{name}: tidak ada"],
  own: ["Peers with impairments of their own", "Peer dengan gangguan sendiri"],
  ownWhy: ["Peers in such a network have impairments of their own. While you choose one here, the fields above show and change them.",
    "Peer di jaringan seperti ini punya gangguan sendiri. Selama dipilih di sini, isian di atas menampilkan dan mengubahnya."],
  ownOf: ["Show", "Tampilkan"],
  ownAll: ["all other peers", "semua peer lain"],
  ownNew: ["Network", "Jaringan"],
  ownBegin: ["Add", "Tambah"],
  ownEnd: ["Remove", "Hapus"],

  charts: ["The last minute", "Menit terakhir"],
  chartRate: ["Rate", "Laju"],
  chartLoss: ["Loss", "Hilang"],
  chartDelay: ["Delay, median", "Tundaan, median"],
  chartQueue: ["Under way", "Di perjalanan"],
  chartLabel: ["{name}: up {up}, down {down}", "{name}: naik {up}, turun {down}"],
  command: ["The same as a command", "Hal yang sama sebagai perintah"],
  commandWhy: ["With this seed, the same datagrams meet the same fates.",
    "Dengan benih ini, datagram yang sama mengalami nasib yang sama."],
  lacksPeers: ["It leaves out networks with impairments of their own ({count}); the scenario file has them.",
    "Jaringan dengan gangguan sendiri ({count}) tidak termasuk; berkas skenario memuatnya."],
  lacksSteps: ["It leaves out what the scenario changes later.", "Perubahan skenario di kemudian waktu tidak termasuk."],
  scenario: ["The same as a scenario file", "Hal yang sama sebagai berkas skenario"],
  copyScenario: ["Copy as scenario file", "Salin sebagai berkas skenario"],
  copyText: ["Copy", "Salin"],
  copied: ["Copied.", "Tersalin."],
  copyFailed: ["The browser does not allow it; the text is selected instead.",
    "Peramban tidak mengizinkannya; teksnya dipilih sebagai gantinya."],
  injectOwn: ["Inject a datagram", "Sisipkan datagram"],
  inject: ["Inject", "Sisipkan"],
  injected: ["Injected.", "Disisipkan."],
  direction: ["Direction", "Arah"],
  peer: ["Peer", "Peer"],
  payloadAs: ["Written as", "Ditulis sebagai"],
  text: ["text", "teks"],
  payload: ["Payload", "Muatan"],

  last: ["The last datagrams", "Datagram terakhir"],
  hold: ["Hold the list", "Tahan daftar"],
  heldFocus: ["Held while a row has the focus.", "Ditahan selama sebuah baris mendapat fokus."],
  colNumber: ["No.", "No."],
  colDirection: ["Direction", "Arah"],
  colFate: ["Fate", "Nasib"],
  colCame: ["Came at", "Datang"],
  colDelay: ["Delay", "Tundaan"],
  colLength: ["Bytes", "Byte"],
  colPeer: ["Peer", "Peer"],
  none: ["Nothing has arrived yet. Send something: udp send {address} \"Hello World\"",
    "Belum ada yang datang. Kirimlah sesuatu: udp send {address} \"Halo Dunia!\""],
  hexNone: ["Choose a datagram to see its bytes", "Pilih datagram untuk melihat isinya"],
  hexOf: ["{direction}, number {number}", "{direction}, nomor {number}"],
  hexGone: ["The relay keeps the bytes of the last 64 only.", "Relay hanya menyimpan isi 64 yang terakhir."],
  hexEmpty: ["An empty payload.", "Muatan kosong."],
  hexCut: ["{shown} of {length} bytes are shown.", "{shown} dari {length} byte ditampilkan."],
  injectCopy: ["Inject a copy", "Sisipkan salinannya"],
  decidedBy: ["Lost by", "Hilang oleh"],
  flippedBit: ["Inverted bit", "Bit terbalik"],
  overtakenBy: ["Overtaken by", "Disalip oleh"],
  decidedDelay: ["Decided delay", "Tundaan yang diputuskan"],
  achievedDelay: ["Achieved delay", "Tundaan yang tercapai"],
  resetDone: ["The counters and the random choices were reset.", "Hitungan dan pilihan acak sudah diulang."],
  pauseDone: ["{direction}: paused", "{direction}: dijeda"],
  resumeDone: ["{direction}: resumed", "{direction}: dilanjutkan"],
  stepDone: ["{direction}: one datagram", "{direction}: satu datagram"],
  failed: ["The relay did not answer.", "Relay tidak menjawab."],
};

const LANGUAGES = ["en", "id"];
let language = "en";

/** The language in use: `en` or `id`. */
export function currentLanguage() {
  return language;
}

/** The language that was chosen before, or that the browser asks for. */
export function preferredLanguage(chosen) {
  if (LANGUAGES.includes(chosen)) return chosen;
  return (navigator.languages ?? []).some((tag) => /^(id|in)\b/.test(tag)) ? "id" : "en";
}

/** The text of a key, with values in the place of `{names}`. */
export function say(key, values = {}) {
  const texts = WORDS[key];
  if (!texts) throw new Error(`no text for '${key}'`);
  return texts[LANGUAGES.indexOf(language)].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Whether there is a text for a key. */
export function isSaid(key) {
  return Object.hasOwn(WORDS, key);
}

/** Puts the page into a language: whatever has `data-t`, `data-t-title` or `data-t-label`. */
export function translate(to, root = document) {
  language = to;
  document.documentElement.lang = to;
  relabel(root);
}

/** Writes the texts of all elements below `root` anew. */
export function relabel(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = say(element.dataset.t, element.dataset);
  for (const element of root.querySelectorAll("[data-t-title]")) element.title = say(element.dataset.tTitle);
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", say(element.dataset.tLabel, element.dataset));
  }
}

/** A count, with the language's separators. */
export function count(number) {
  return number.toLocaleString(language);
}

/** A number with at most three significant digits. */
export function short(number) {
  return number.toLocaleString(language, { maximumSignificantDigits: 3 });
}

/** A share from 0 to 1, in percent. */
export function percent(share) {
  return `${short(share * 100)} %`;
}

/** A time in nanoseconds, in its best unit. */
export function time(ns) {
  if (ns === null || ns === undefined) return "–";
  const steps = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]];
  const [size, unit] = steps.find(([size]) => Math.abs(ns) >= size * 0.9995) ?? [1, "ns"];
  return `${short(ns / size)} ${unit}`;
}
