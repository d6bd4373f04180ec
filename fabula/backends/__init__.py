"""Ports to models, and the adapters behind them."""
