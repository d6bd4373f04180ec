"""The words of the captions: names of things and their synonyms, and words that mean nothing to a picture."""

NOUNS: dict[str, tuple[str, ...]] = {
    "castle": ("castle", "castle", "castle", "fortress", "stronghold", "palace", "citadel"),
    "cottage": ("cottage", "cottage", "cottage", "house", "hut", "cabin", "farmhouse", "home", "inn"),
    "tower": ("tower", "tower", "tower", "wizard's tower", "watchtower", "lighthouse", "spire", "turret"),
    "ship": ("ship", "ship", "ship", "sailboat", "boat", "sailing ship", "galleon", "vessel", "pirate ship"),
    "tree": ("tree", "tree", "tree", "oak", "old tree", "oak tree", "apple tree"),
    "mountain": ("mountain", "mountain", "mountain", "peak", "summit", "mount", "volcano"),
    "dragon": ("dragon", "dragon", "dragon", "wyvern", "drake", "winged beast", "dragon with wings"),
    "knight": ("knight", "knight", "knight", "paladin", "armoured warrior", "knight in armor", "swordsman"),
}

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson", "scarlet", "ruby"),
    "orange": ("orange", "orange", "orange", "amber", "tangerine"),
    "gold": ("gold", "golden", "yellow", "yellow"),
    "green": ("green", "green", "green", "emerald"),
    "teal": ("teal", "teal", "turquoise", "cyan"),
    "blue": ("blue", "blue", "blue", "azure", "navy", "sapphire"),
    "purple": ("purple", "purple", "violet", "lilac"),
    "pink": ("pink", "pink", "rose", "magenta"),
    "brown": ("brown", "brown", "chestnut", "wooden"),
    "gray": ("gray", "grey", "gray", "stone", "slate"),
    "black": ("black", "black", "ebony", "dark"),
    "white": ("white", "white", "ivory", "pale"),
}

PLACES: dict[str, tuple[str, ...]] = {
    "hill": (
        "on a hill", "on a green hill", "on the hills", "in a meadow", "on a grassy hill",
        "among rolling hills", "in the valley", "in the grass", "in a field",
    ),
    "sea": (
        "by the sea", "at sea", "on the sea", "by the ocean", "near the ocean", "on an island",
        "at the coast", "by the shore", "over the waves", "in the harbor", "on the beach",
    ),
    "forest": (
        "in a forest", "in the forest", "in the woods", "among the trees", "deep in the forest",
        "in a dark forest", "in a pine forest", "between the pines",
    ),
    "desert": ("in the desert", "in a desert", "among sand dunes", "on the sand", "in the dunes", "near a cactus"),
    "snow": (
        "in the snow", "in winter", "in a snowy land", "on a snowy field", "in falling snow", "on the ice",
        "in the frozen north",
    ),
}  # fmt: skip

PLACE_NAMES: dict[str, tuple[str, ...]] = {
    "hill": ("hill", "hills", "meadow", "green hills", "grassland", "countryside"),
    "sea": ("sea", "ocean", "coast", "island", "waves", "seaside"),
    "forest": ("forest", "woods", "pine trees", "woodland", "deep forest"),
    "desert": ("desert", "sand dunes", "sand", "dunes", "cactus"),
    "snow": ("snow", "winter", "snowy", "winter landscape", "ice", "snowfall"),
}

MOMENTS: dict[str, tuple[str, ...]] = {
    "day": (
        "by day", "at noon", "during the day", "in daylight", "on a sunny day", "in the morning",
        "in bright sunshine", "under a blue sky",
    ),
    "sunset": (
        "at sunset", "at dusk", "at sundown", "in the evening", "in the evening light", "at dawn",
        "at sunrise", "under a red sky",
    ),
    "night": (
        "at night", "at midnight", "by night", "under the stars", "in the moonlight", "under a full moon",
        "on a dark night", "under a starry sky",
    ),
}  # fmt: skip

MOMENT_NAMES: dict[str, tuple[str, ...]] = {
    "day": ("day", "daytime", "daylight", "noon", "sunny", "blue sky", "morning"),
    "sunset": ("sunset", "dusk", "sundown", "evening", "sunrise", "dawn", "golden hour", "twilight"),
    "night": ("night", "midnight", "nighttime", "moonlight", "starry sky", "moonlit", "full moon"),
}

HAIR_WORDS: dict[str, tuple[str, ...]] = {
    "black": ("black", "black", "dark", "raven"),
    "brown": ("brown", "brown", "chestnut", "auburn"),
    "blond": ("blond", "blonde", "golden", "yellow"),
    "red": ("red", "red", "ginger", "copper", "orange"),
    "silver": ("silver", "silver", "white", "gray", "grey"),
    "blue": ("blue", "blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "pink", "rose"),
}

SKIN_WORDS: dict[str, tuple[str, ...]] = {
    "light": ("light", "pale", "fair"),
    "tan": ("tan", "olive", "bronze", "tanned"),
    "dark": ("dark", "brown", "black", "deep brown"),
    "green": ("green",),
}

FOLK_WORDS: dict[str, tuple[str, ...]] = {
    "human": ("human", "human", ""),
    "elf": ("elf", "elf", "elven", "elvish", "high elf", "wood elf", "half-elf"),
    "orc": ("orc", "orc", "orcish", "half-orc", "goblin"),
    "dwarf": ("dwarf", "dwarf", "dwarven"),
}

GENDER_WORDS: dict[str, tuple[str, ...]] = {
    "woman": ("woman", "woman", "girl", "lady", "queen", "princess", "female", "witch", "sorceress", "priestess"),
    "man": ("man", "man", "boy", "lord", "king", "prince", "male", "monk", "sorcerer"),
}

ROLES = (
    "wizard", "mage", "ranger", "hunter", "thief", "rogue", "bard", "healer", "warrior", "fighter",
    "merchant", "sailor", "captain", "smith", "baker", "farmer", "scholar", "druid", "cleric", "archer",
    "traveller", "explorer", "adventurer", "hero", "villager", "innkeeper", "noble", "guard", "soldier",
    "scribe", "alchemist", "inventor", "detective", "pirate", "miner", "fisher",
)  # fmt: skip

CLOTHES = (
    "cloak", "robe", "tunic", "dress", "shirt", "coat", "cape", "jacket", "gown", "vest", "armor", "scarf",
    "clothes", "robes", "hood", "uniform",
)  # fmt: skip

AGES = (
    "young", "old", "middle-aged", "elderly", "ancient", "youthful", "teenage", "grown", "adult",
    "twenty years old", "thirty-year-old", "ageless",
)  # fmt: skip

NAMES = (
    "Mira", "Tomas", "Elena", "Borin", "Aria", "Kael", "Lyra", "Thorin", "Selene", "Grok", "Nadia", "Ivo",
    "Rowan", "Sable", "Finn", "Isolde", "Marek", "Wren", "Dagny", "Orla", "Hugo", "Zara", "Bram", "Freya",
    "Odin", "Luca", "Anya", "Gareth", "Maeve", "Ulric", "Tessa", "Victor", "Amara", "Kenji", "Leila", "Oskar",
    "Ruth", "Simon", "Vera", "Yusuf",
)  # fmt: skip

TEMPERS = (
    "brave", "kind", "cunning", "gentle", "stubborn", "cheerful", "quiet", "proud", "curious", "wise",
    "reckless", "loyal", "shy", "grumpy", "clever", "patient", "bold", "noble", "mysterious", "honest",
    "witty", "stern", "friendly", "lonely", "fierce",
)  # fmt: skip

PRAISE = (
    "beautiful", "majestic", "lonely", "mysterious", "great", "small", "little", "huge", "tall", "ancient",
    "mighty", "enchanted", "magical", "fantastic", "quiet", "grand", "epic", "famous", "strange", "proud",
    "noble", "forgotten", "big", "lovely", "hidden",
)  # fmt: skip

STYLES = (
    "masterpiece", "detailed", "highly detailed", "best quality", "digital art", "storybook illustration",
    "flat design", "fantasy art", "concept art", "4k", "trending", "oil painting", "watercolor", "soft light",
    "cinematic", "colorful", "sharp", "vector art", "children's book", "beautiful", "cartoon", "artstation",
    "dramatic lighting", "high resolution", "no text",
)  # fmt: skip

OPENINGS = (
    "a painting of", "an illustration of", "a picture of", "a drawing of", "an image of", "artwork of",
    "a view of", "a scene with", "illustration:", "a storybook picture of", "paint", "draw", "show me",
    "concept art of",
)  # fmt: skip

VERBS = (
    "stands", "stood", "waiting", "standing", "rests", "resting", "seen", "rises", "alone", "appears",
    "waits", "lies", "looms", "flying", "sailing",
)  # fmt: skip

ASIDES = (
    "while everyone sleeps", "where nobody has ever been", "and the wind is calm", "full of wonder",
    "as the story begins", "waiting for the hero", "the end of a long journey", "with a secret inside",
    "once upon a time", "far away from home", "before the great battle", "after many years",
    "and nobody knows why", "as in an old tale", "chapter one", "with great care", "it was a time of hope",
    "a place of legends", "guarded for a thousand years", "full of magic",
)  # fmt: skip

HABITS = (
    "who loves old books", "with a scar on the cheek", "looking for a lost brother", "who never gives up",
    "from a far village", "with a hidden past", "and a warm smile", "friend of animals", "who fears nothing",
    "with a sharp tongue", "keeper of the keys", "raised by wolves", "who sings all day", "with freckles",
    "wearing a silver ring", "always hungry", "secretly royal",
)  # fmt: skip

FAULTS = (
    "blurry", "ugly", "low quality", "worst quality", "bad anatomy", "deformed", "text", "watermark", "noise",
    "jpeg artifacts", "cropped", "out of frame", "lowres", "grainy", "distorted", "duplicate", "signature",
    "extra fingers", "bad proportions",
)  # fmt: skip
