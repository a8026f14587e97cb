"""What is wrong with a data set before anything is trained on it: `data.check()`."""

from fourstep.data.checking.everything import check_data as check_data
from fourstep.data.checking.finding import Finding as Finding
