"""Makes Neutron's tables in an empty database. Usage: database.py URL"""
import sys

from neutron.db.migration.models import head  # noqa: F401: names all tables
from neutron_lib.db import model_base
from sqlalchemy import create_engine

model_base.BASEV2.metadata.create_all(create_engine(sys.argv[1]))
