"""The players: adapters, consolidations, and the table that names their pairs."""
