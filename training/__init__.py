"""Programs that make the models which ship with Fabula; nothing that runs in production imports them."""
