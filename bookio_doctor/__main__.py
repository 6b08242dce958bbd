"""``python -m bookio_doctor``, which is ``bookio-doctor``."""

from bookio_doctor.command import doctor

if __name__ == "__main__":
    doctor()
