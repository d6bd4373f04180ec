"""The generators, one package each; they never import each other."""
