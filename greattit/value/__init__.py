"""Value: what the harvest is worth, from dated prices, with all three of area, yield and price uncertain."""

from greattit.value.book import Book, read_book
from greattit.value.risk import Change, evaluate_prices, seasonal_change
from greattit.value.worth import Price, lendable_ha, price, price_of

__all__ = [
    "Book",
    "Change",
    "Price",
    "evaluate_prices",
    "lendable_ha",
    "price",
    "price_of",
    "read_book",
    "seasonal_change",
]
