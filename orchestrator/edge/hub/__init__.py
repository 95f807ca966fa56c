"""Hugging Face's hub and its cache."""
