"""The colours of the map over a photo: from dark violet, for little, to yellow, for much."""

import numpy as np

# Every sixteenth colour of matplotlib's viridis (Stéfan van der Walt and Nathaniel Smith, CC0):
# equal steps look equal, and its lightness only rises: it is read in grey and by colour-blind eyes.
STOPS = (
    *("#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d", "#2c728e", "#26828e"),
    *("#21918c", "#1f9f88", "#27ad81", "#3dbc74", "#5cc863", "#81d34d", "#aadc32", "#d5e21a"),
    "#fde725",
)


def colour_table() -> np.ndarray:
    """Return the colour of each value from 0 to 255: (256, 3) uint8."""
    places = np.linspace(0, 255, len(STOPS))
    colours = np.array([list(bytes.fromhex(stop[1:])) for stop in STOPS])
    channels = [np.interp(np.arange(256), places, channel) for channel in colours.T]
    table: np.ndarray = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return table
