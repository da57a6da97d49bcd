"""The policy gateway: an OpenAI-compatible proxy that decides who may ask what, and relays bytes untouched."""

VERSION = "0.1.0"
