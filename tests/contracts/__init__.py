"""Rules that hold for every kind and every file, so that a newcomer is checked the day it is added."""
