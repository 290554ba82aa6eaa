/** What the simulator answers with. Every word is one token. */
export const vocabulary: readonly string[] = (
  'amber anchor apple april arrow aspen autumn badge bamboo basil beacon birch bishop blossom bottle bridge ' +
  'bronze button cabin camera candle canyon carbon castle cedar chapel cherry circle citrus clover cobalt comet ' +
  'copper coral cotton cradle crystal daisy delta desert diamond dolphin dragon eagle ember engine falcon feather ' +
  'fern fiddle field finch flint forest fossil garden garnet ginger glacier granite gravel harbor hazel heron ' +
  'hollow honey indigo island ivory jacket jasmine jungle juniper kernel kettle ladder lagoon lantern laurel lemon ' +
  'lilac linen lotus lumber magnet maple marble meadow mirror monsoon mosaic nectar needle nickel nutmeg oasis ' +
  'ocean olive onyx orbit orchid otter oyster paper parcel pebble pepper petal pigeon pillar planet plum pocket ' +
  'pollen poplar prairie quartz quiver rabbit raven ribbon river rocket saddle saffron'
).split(' ')
