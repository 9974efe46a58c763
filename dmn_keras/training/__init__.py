"""Configuration -> data -> strategy -> fit -> metrics."""
