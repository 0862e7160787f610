// Keys: the next slide, the one before, the first and the last. Without this, the slides are scrolled.
const slides = [...document.querySelectorAll("section")];
const current = () => {
    const distance = (slide) => Math.abs(slide.getBoundingClientRect().top);
    return slides.reduce((best, slide, place) => (distance(slide) < distance(slides[best]) ? place : best), 0);
};
const show = (place) => {
    const slide = slides[Math.min(Math.max(place, 0), slides.length - 1)];
    slide.scrollIntoView();
    history.replaceState(null, "", `#${slide.id}`);
};
document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const next = ["ArrowRight", "ArrowDown", "PageDown", " ", "Enter"].includes(event.key) && !event.shiftKey;
    const before = ["ArrowLeft", "ArrowUp", "PageUp", "Backspace"].includes(event.key) || (event.key === " " && event.shiftKey);
    const end = { Home: 0, End: slides.length - 1 }[event.key];
    if (event.target.closest?.("a") && event.key === "Enter") return;
    if (!next && !before && end === undefined) return;
    event.preventDefault();
    show(end ?? current() + (next ? 1 : -1));
});
