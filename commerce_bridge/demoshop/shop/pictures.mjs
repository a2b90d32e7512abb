// Pictures of products as SVG, drawn from a shape and two colours.

const SHAPES = {
  round: (
    a,
    b,
  ) => `<circle cx="200" cy="215" r="105" fill="${a}"/><path d="M200 120q6-46 46-58-6 44-46 58" fill="${b}"/>
    <path d="M200 125v-34" stroke="#5b4630" stroke-width="9" stroke-linecap="round"/><ellipse cx="160" cy="175" rx="22" ry="34" fill="#fff" opacity=".25"/>`,
  long: (
    a,
    b,
  ) => `<g transform="rotate(-18 200 200)"><ellipse cx="200" cy="165" rx="135" ry="48" fill="${a}"/><ellipse cx="205" cy="255" rx="125" ry="46" fill="${a}"/>
    <ellipse cx="318" cy="255" rx="16" ry="38" fill="${b}"/><path d="M110 150q40 14 80 4M130 250q50 14 90 4" stroke="#0003" stroke-width="5" fill="none"/></g>`,
  bag: (
    a,
    b,
  ) => `<path d="M110 120q90-26 180 0l18 200q-108 34-216 0z" fill="${a}"/><path d="M110 120q90-26 180 0l-10-34q-80-18-160 0z" fill="${b}"/>
    <rect x="150" y="190" width="100" height="70" rx="10" fill="${b}" opacity=".8"/>`,
  jar: (
    a,
    b,
  ) => `<path d="M120 150q-40 130 20 190h120q60-60 20-190z" fill="${a}"/><rect x="112" y="112" width="176" height="42" rx="16" fill="${b}"/>
    <path d="M150 200q-16 60 8 110" stroke="#fff6" stroke-width="12" fill="none" stroke-linecap="round"/>`,
  bowl: (
    a,
    b,
  ) => `<path d="M70 190h260q-10 140-130 140T70 190" fill="${a}"/><ellipse cx="200" cy="190" rx="130" ry="44" fill="${b}"/>
    <ellipse cx="200" cy="186" rx="106" ry="31" fill="${a}" opacity=".35"/><rect x="158" y="322" width="84" height="18" rx="8" fill="${a}"/>`,
  fish: (
    a,
    b,
  ) => `<path d="M60 205q120-120 230 0-110 120-230 0" fill="${a}"/><path d="M280 205l72-62v124z" fill="${a}"/>
    <path d="M120 205q50 44 130 20" stroke="${b}" stroke-width="10" fill="none"/><circle cx="110" cy="190" r="11" fill="#fff"/><circle cx="108" cy="190" r="5" fill="#222"/>`,
  cup: (
    a,
    b,
  ) => `<path d="M96 160h184v70q0 96-92 96t-92-96z" fill="${a}"/><path d="M280 180q58 0 58 50t-66 50" stroke="${a}" stroke-width="20" fill="none"/>
    <ellipse cx="188" cy="160" rx="92" ry="24" fill="${b}"/><path d="M160 118q-14-24 6-44M210 118q-14-24 6-44" stroke="${b}" stroke-width="9" fill="none" stroke-linecap="round"/>`,
  box: (
    a,
    b,
  ) => `<path d="M80 150l120-50 120 50v130l-120 56-120-56z" fill="${a}"/><path d="M80 150l120 54 120-54-120-50z" fill="${b}"/>
    <path d="M200 204v132" stroke="#0003" stroke-width="5"/><path d="M140 125l120 54v46" stroke="${a}" stroke-width="14" fill="none"/>`,
  bread: (a, b) => `<path d="M70 250q-10-120 130-120t130 120q0 60-130 60T70 250" fill="${a}"/>
    <path d="M130 160l26 54M190 150l14 56M248 158l0 52" stroke="${b}" stroke-width="13" stroke-linecap="round"/>`,
};

export function picture({ shape, colors: [first, second] }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">
<rect width="400" height="400" fill="${second}" opacity=".28"/><ellipse cx="200" cy="342" rx="140" ry="16" fill="#0002"/>
${SHAPES[shape](first, second)}
</svg>
`;
}
