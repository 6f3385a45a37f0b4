"""Recorded markets played again with orders of ours, each under every policy for its rest: what a user picks one by."""
