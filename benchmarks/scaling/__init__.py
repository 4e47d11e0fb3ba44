"""How training scales over ranks: a model of a step, a simulation that checks it, and what is measured here."""
