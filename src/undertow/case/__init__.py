"""A case: a rulebook, a world, a crowd and the published facts they must meet, as one validated file."""
