"""Dousell Immo on Supabase: its schema, its synthetic data and its seven use cases.

What is particular to the property-rental site lives here; the cache itself knows nothing of it.
"""
