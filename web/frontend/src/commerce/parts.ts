/** What viewers see of products: one chunk, fetched once a show has some. */
export { default as Announcer } from "./Announcer.svelte";
export { default as Goods } from "./Goods.svelte";
export { default as OnPicture } from "./OnPicture.svelte";
export { default as Sheet } from "./Sheet.svelte";
