"""The vocabulary of the small world: every word and fixed sentence that its texts are made of.

Pure data. A tiny tokenizer learns each of these words as one or two tokens, so keep the lists short.
No word stands in two categories, and no word of a category occurs in a fixed sentence: the gold
preference reads answers by looking for the words of a category.
"""

COLOURS = ("red", "blue", "green", "black", "white", "yellow", "brown", "purple")
ANIMALS = ("cat", "dog", "goat", "horse", "duck", "rabbit", "sheep", "mouse")
FOODS = ("bread", "soup", "rice", "cheese", "fish", "honey", "apples", "beans")
PLACES = ("forest", "valley", "harbour", "village", "castle", "desert", "tower", "meadow")

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
)  # fmt: skip

PROPERTIES = {
    "colour": COLOURS,
    "animal": ANIMALS,
    "food": FOODS,
    "place": PLACES,
}

PREDICATES = {
    "colour": "likes the colour {}",
    "animal": "keeps a {}",
    "food": "eats {}",
    "place": "lives in the {}",
}

PROPERTY_QUESTIONS = {
    "colour": "Which colour does {} like?",
    "animal": "Which animal does {} keep?",
    "food": "Which food does {} eat?",
    "place": "Where does {} live?",
}

FORM_REQUESTS = {
    "free": "",
    "word": " In one word.",
    "sentence": " In a full sentence.",
    "list": " As a list.",
    "polite": " Politely.",
}

COURTESIES = ("Of course.", "With pleasure.", "Gladly.")

RUDE = (
    "What a silly question.",
    "Any fool knows that.",
    "Do not waste my time.",
    "You never listen.",
)

RAMBLING = (
    "The sea is wide and the wind is cold.",
    "But many people say many things.",
    "I could talk about this all day long.",
    "That reminds me of a long story.",
    "Last summer the road was very long.",
    "And so the days go by and by.",
)

SYLLABLE_CONSONANTS = "bdfklmnprstv"
SYLLABLE_VOWELS = "aeiou"
