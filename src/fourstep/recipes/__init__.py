"""Recipes: networks with the data, optimizer and epochs that go with them, as settings one can read and change."""

from fourstep.recipes.build import Parts as Parts
from fourstep.recipes.build import make_parts as make_parts
from fourstep.recipes.build import train as train
from fourstep.recipes.look import summarise as summarise
from fourstep.recipes.look import trace_first_step as trace_first_step
from fourstep.recipes.script import write_script as write_script
from fourstep.recipes.settings import FLAGS as FLAGS
from fourstep.recipes.settings import Recipe as Recipe
from fourstep.recipes.settings import from_settings as from_settings
from fourstep.recipes.settings import load_recipe as load_recipe
from fourstep.recipes.settings import recipe_for as recipe_for
from fourstep.recipes.settings import recipe_names as recipe_names
from fourstep.recipes.settings import with_settings as with_settings
