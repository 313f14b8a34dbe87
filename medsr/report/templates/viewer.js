
"use strict";
const volumes = JSON.parse(document.getElementById("volumes").textContent);
const view = document.getElementById("view");
const why = document.getElementById("why");

const hasWebGL = () => Boolean(document.createElement("canvas").getContext("webgl2"));

function explain(reason) {
  view.hidden = true;
  document.getElementById("fallback").hidden = false;
  why.textContent = `${reason}; here are the slices instead.`;
  why.dataset.explained = "yes";
}

async function start() {
  if (!hasWebGL()) return explain("This browser or computer has no WebGL 2, which the 3D view needs");
  view.hidden = false;
  const viewer = new niivue.Niivue({
    backColor: [0, 0, 0, 1], crosshairColor: [0.95, 0.78, 0.27, 0.7], crosshairWidth: 0.5, isRadiologicalConvention: true, sagittalNoseLeft: true,
    isNearestInterpolation: true, show3Dcrosshair: true, dragAndDropEnabled: false, logLevel: "silent", loadingText: "",
  });
  await viewer.attachToCanvas(document.getElementById("canvas"));
  const images = {};
  for (const [name, base64] of Object.entries(volumes))
    images[name] = await niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz`, cal_min: 0, cal_max: 255 });
  const show = (name) => {
    const cross = viewer.volumes.length ? [...viewer.scene.crosshairPos] : null;
    if (cross) viewer.removeVolume(viewer.volumes[0]);
    viewer.addVolume(images[name]);
    if (cross) viewer.scene.crosshairPos = cross;
    viewer.drawScene();
    document.documentElement.dataset.shown = name;
  };
  for (const radio of document.querySelectorAll("input[name=volume]")) {
    radio.addEventListener("change", () => show(radio.value));
    if (radio.checked) show(radio.value);
  }
  for (const radio of document.querySelectorAll("input[name=kind]"))
    radio.addEventListener("change", () =>
      viewer.setSliceType(radio.value === "volume" ? viewer.sliceTypeRender : viewer.sliceTypeMultiplanar));
  document.getElementById("smooth").addEventListener("change", (event) => viewer.setInterpolation(!event.target.checked));
  viewer.setSliceType(viewer.sliceTypeMultiplanar);
  viewer.setMultiplanarLayout(niivue.MULTIPLANAR_TYPE.GRID);
  viewer.opts.multiplanarShowRender = niivue.SHOW_RENDER.ALWAYS;
  viewer.drawScene();
  document.getElementById("fallback").hidden = true;
}

start().catch((error) => explain(`The 3D view could not be drawn (${error.message})`));
