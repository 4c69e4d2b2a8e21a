"""Packages alone; the rest is in pyproject.toml, which can find packages or place one, but not both.

configs/ of the checkout is installed as digan_jax/configs/: a package of its name at the top of site-packages would
collide with other projects'.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["digan_jax*"]), "digan_jax.configs"],
    package_dir={"digan_jax.configs": "configs"},
)
