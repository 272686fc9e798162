"""Measures the controller layer beside the official client, in one run, and holds it to its floors."""
