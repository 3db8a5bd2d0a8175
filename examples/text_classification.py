"""Text: which language is this? The network reads letters, and looks for short sequences of them.

Each letter becomes a vector that is learnt (an embedding). Filters of three letters slide along the sentence, as they
do over images, and the strongest answer of each filter, wherever it was, decides. Such a filter may find "sch" or
"tion", so words that were never seen are no problem. Sentences have different lengths: short ones are padded.
"""

from __future__ import annotations

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.data import split
from autograd_nn.training import evaluate, fit, predict

SENTENCES = {
    "English": """
        the children play in the garden after school
        my brother works in a small bank near the river
        we would like to have breakfast at eight
        it has been raining since yesterday morning
        she bought three books about the history of the town
        where can I find the next railway station
        nobody knows why the old house is empty
        the teacher wrote a long word on the board
        I have never seen such a beautiful bird
        they went through the forest without a map
        please close the window because it is cold
        what time does the show begin tonight
        he thinks that the weather will change soon
        our neighbors have two dogs and a white cat
        the water in the lake is clear and deep
        you should drink more and sleep longer
        this question is easier than the first one
        the train to the north was late again
        everything was quiet when the snow fell
        who left these shoes under the table
        the farmer sold all his apples on the market
        I will call you when we have arrived
        there is nothing better than fresh bread
        her grandmother told her about the war
    """,
    "German": """
        die Kinder spielen nach der Schule im Garten
        mein Bruder arbeitet in einer kleinen Bank am Fluss
        wir möchten um acht Uhr frühstücken
        seit gestern Morgen regnet es ohne Pause
        sie kaufte drei Bücher über die Geschichte der Stadt
        wo finde ich den nächsten Bahnhof
        niemand weiß warum das alte Haus leer steht
        der Lehrer schrieb ein langes Wort an die Tafel
        ich habe noch nie einen so schönen Vogel gesehen
        sie gingen ohne Karte durch den Wald
        bitte schließ das Fenster denn es ist kalt
        wann beginnt heute Abend die Vorstellung
        er glaubt dass sich das Wetter bald ändert
        unsere Nachbarn haben zwei Hunde und eine weiße Katze
        das Wasser im See ist klar und tief
        du solltest mehr trinken und länger schlafen
        diese Frage ist leichter als die erste
        der Zug nach Norden hatte wieder Verspätung
        alles war still als der Schnee fiel
        wer hat diese Schuhe unter dem Tisch vergessen
        der Bauer verkaufte alle Äpfel auf dem Markt
        ich rufe dich an wenn wir angekommen sind
        es gibt nichts Besseres als frisches Brot
        ihre Großmutter erzählte ihr vom Krieg
    """,
    "French": """
        les enfants jouent dans le jardin après les cours
        mon frère travaille dans une petite banque près du fleuve
        nous voudrions prendre le petit déjeuner à huit heures
        il pleut depuis hier matin sans arrêt
        elle a acheté trois livres sur cette ville
        où se trouve la prochaine gare
        personne ne sait pourquoi la vieille maison est vide
        le professeur a écrit un long mot au tableau
        je n'ai jamais vu un si bel oiseau
        ils ont traversé la forêt sans carte
        ferme la fenêtre parce qu'il fait froid
        à quelle heure commence le spectacle ce soir
        il pense que le temps va bientôt changer
        nos voisins ont deux chiens et un chat blanc
        l'eau du lac est claire et profonde
        tu devrais boire davantage et dormir plus longtemps
        cette question est plus facile que la première
        le train du nord avait encore du retard
        tout était calme quand la neige tombait
        qui a oublié ces chaussures sous la table
        le paysan a vendu toutes ses pommes au marché
        je t'appelle quand nous serons arrivés
        il n'y a rien de meilleur que le pain frais
        sa grand-mère lui a parlé de la guerre
    """,
    "Spanish": """
        los niños juegan en el jardín después de la escuela
        mi hermano trabaja en un banco pequeño cerca del río
        queremos desayunar a las ocho de la mañana
        llueve sin parar desde ayer por la mañana
        ella compró tres libros sobre la historia de la ciudad
        dónde está la próxima estación de tren
        nadie sabe por qué la casa vieja está vacía
        el profesor escribió una palabra larga en la pizarra
        nunca he visto un pájaro tan hermoso
        cruzaron el bosque sin ningún mapa
        cierra la ventana porque hace mucho frío
        a qué hora empieza la función esta noche
        él cree que el tiempo va a cambiar pronto
        nuestros vecinos tienen dos perros y un gato blanco
        el agua del lago es clara y profunda
        deberías beber más y dormir más tiempo
        esta pregunta es más fácil que la primera
        el tren del norte llegó tarde otra vez
        todo estaba tranquilo cuando caía la nieve
        quién olvidó estos zapatos debajo de la mesa
        el campesino vendió todas sus manzanas en el mercado
        te llamo cuando hayamos llegado
        no hay nada mejor que el pan fresco
        su abuela le habló de la guerra
    """,
}
LANGUAGES = tuple(SENTENCES)
LENGTH = 60
LETTERS = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz '-", start=1)}
ACCENTS = str.maketrans("äöüéèêàâîôûçñáíóúù", "aoueeeaaioucnaiouu", "ß")  # spelled without: no letter gives it away


def encode(sentence: str) -> np.ndarray:
    """Return the numbers of the letters, padded with 0: (60,)."""
    numbers = [LETTERS[letter] for letter in sentence.lower().translate(ACCENTS)][:LENGTH]
    return np.array(numbers + [0] * (LENGTH - len(numbers)))


def sentences() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of all letters, (96, 60), the language of each sentence, and which sentences say the same."""
    rows = [text.split("\n")[1:-1] for text in SENTENCES.values()]
    x = np.stack([encode(sentence.strip()) for texts in rows for sentence in texts])
    labels = np.repeat(np.arange(len(rows)), [len(texts) for texts in rows])
    return x, labels, np.concatenate([np.arange(len(texts)) for texts in rows])


class Reader(nn.Module):
    """Letters → vectors → filters along the sentence → the strongest answer of each → languages."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.embedding = nn.Embedding(len(LETTERS) + 1, 12, rng=rng)
        self.filters = nn.Conv1d(12, 96, 3, rng=rng)
        self.drop = nn.Dropout(0.5, rng=rng)
        self.last = nn.Linear(96, len(LANGUAGES), init="glorot_normal", rng=rng)

    def forward(self, letters: np.ndarray) -> object:
        """Return logits, (batch, 4), of numbers of letters, (batch, 60)."""
        vectors = self.embedding(letters).swapaxes(1, 2)  # channels come second: (batch, 12, 60)
        found = self.filters(vectors).relu().max(axis=2)
        return self.last(self.drop(found))


def main(seed: int = 0) -> dict[str, float]:
    """Learn from three quarters of the sentences; a test sentence is not among them in any language."""
    x, labels, meaning = sentences()
    train, test = split(x, labels, test=0.25, groups=meaning, rng=seed)
    model = Reader(seed)
    optimizer = optim.Adam(model.parameters(), learning_rate=0.01)
    fit(model, train, "cross_entropy", optimizer, epochs=40, batch_size=24, seed=seed, progress=False)
    result = {
        "train_accuracy": evaluate(model, train, metrics="accuracy")["accuracy"],
        "test_accuracy": evaluate(model, test, metrics="accuracy")["accuracy"],
    }
    for sentence in (
        "the thought of winter",
        "ich wohne noch nicht lange hier",
        "je voudrais une chambre",
        "buenos días señora",
    ):
        found = predict(model, encode(sentence)[None]).argmax()
        print(f"{sentence!r:34} {LANGUAGES[found]}")
    print(f"accuracy {result['train_accuracy']:.3f} on {len(train[0])} sentences to learn from, "
          f"{result['test_accuracy']:.3f} on {len(test[0])} others")  # fmt: skip
    return result


if __name__ == "__main__":
    main()
