"""Recipes: networks with the data, optimizer and epochs that go with them, as settings one can read and change."""

from fourstep.recipes.build import Parts as Parts
from fourstep.recipes.build import make_data as make_data
from fourstep.recipes.build import make_parts as make_parts
from fourstep.recipes.build import make_parts_for as make_parts_for
from fourstep.recipes.build import train as train
from fourstep.recipes.folds import fold_line as fold_line
from fourstep.recipes.folds import mean_line as mean_line
from fourstep.recipes.folds import train_folds as train_folds
from fourstep.recipes.ladder import from_settings as from_settings
from fourstep.recipes.ladder import load_recipe as load_recipe
from fourstep.recipes.ladder import recipe_for as recipe_for
from fourstep.recipes.ladder import recipe_names as recipe_names
from fourstep.recipes.look import summarise as summarise
from fourstep.recipes.look import trace_first_step as trace_first_step
from fourstep.recipes.networks import make_model as make_model
from fourstep.recipes.script import write_script as write_script
from fourstep.recipes.settings import FLAGS as FLAGS
from fourstep.recipes.settings import TABLE as TABLE
from fourstep.recipes.settings import Recipe as Recipe
from fourstep.recipes.settings import is_own as is_own
from fourstep.recipes.settings import with_settings as with_settings
from fourstep.recipes.task import make_metrics as make_metrics
