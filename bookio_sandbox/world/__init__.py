"""Clinics, patients and their bookings, all made up from a seed."""
