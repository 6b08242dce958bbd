"""Clinics, people and their bookings, made up from a seed."""
