"""The recipes of musedeep for pyesorex: MuseBias, MuseDark, MuseFlat and so on, see `musedeep.esorex.pyrecipe`."""

from musedeep.esorex.pyrecipe import recipe_classes

globals().update(recipe_classes(__name__))
