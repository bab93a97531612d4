"""The sentences that `cldr-entities` composes, with slots for names and for words that are none.

{TERRITORY}, {LANGUAGE}, {CURRENCY} are names; {ANY} is a name of any kind in a sentence that does not tell which. Other
slots are filled from FILLERS; many of those words begin with a capital, so that a capital alone does not make a name.
"""

from __future__ import annotations

FILLERS = {
    "person": [
        "Amara", "Birgit", "Chen Wei", "Dolores", "Emeka", "Fatima Zahra", "Giulia", "Hassan", "Ingrid", "Jorge",
        "Kavita", "Lars", "Mei", "Nadia", "Oskar", "Priya", "Quentin", "Rosa Delgado", "Sven", "Tomoko", "Ulrike",
        "Viktor", "Wanjiru", "Yusuf", "Zofia", "Anna Lindqvist", "Peter Okafor", "Maria Castellanos", "John Whitfield",
    ],
    "title": ["Professor", "Doctor", "Minister", "Ambassador", "Captain", "Judge", "Senator", "Director"],
    "month": [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "year": [str(year) for year in range(1951, 2025)],
    "number": [str(number) for number in (2, 3, 4, 5, 7, 8, 11, 12, 15, 18, 24, 30, 42, 60, 75, 96, 120, 250, 400)],
    "office": [
        "Ministry of Finance", "Ministry of Health", "Central Bank", "Statistics Office", "Supreme Court",
        "National Museum", "Royal Society", "State Library", "University Press", "Red Cross", "Chamber of Commerce",
    ],
    "place": ["Lake Street", "Harbour Road", "Market Square", "Hall B", "Room 12", "Victoria Station", "Old Bridge"],
    "thing": ["coffee", "copper", "timber", "rice", "wool", "wheat", "steel", "cotton", "tea", "fish", "salt", "sugar"],
}  # fmt: skip

SENTENCES = [
    # territories
    "{person} was born in {TERRITORY} in {year}.",
    "The government of {TERRITORY} announced new elections for {month}.",
    "Exports of {thing} from {TERRITORY} to {TERRITORY} doubled within {number} years.",
    "We crossed the border between {TERRITORY} and {TERRITORY} on {day}.",
    "{TERRITORY}, {TERRITORY} and {TERRITORY} signed the agreement in {month} {year}.",
    "Heavy rain is expected across {TERRITORY} until {day}.",
    "{title} {person} has represented {TERRITORY} at the conference since {year}.",
    "The capital of {TERRITORY} lies on a river.",
    "Flights to {TERRITORY} leave every {number} hours.",
    "About {number} percent of the population of {TERRITORY} live in cities.",
    "{TERRITORY} beat {TERRITORY} by {number} goals to 1.",
    "{person} moved from {TERRITORY} to {TERRITORY} after the war.",
    "Travellers who enter {TERRITORY} need a visa for {number} days.",
    "The coast of {TERRITORY} is known for its {thing}.",
    "{TERRITORY}'s president met {title} {person} on {day}.",
    "Troops left {TERRITORY} in {month}, the {office} said.",
    "In {TERRITORY}, the {office} opens at {number} on {day}.",
    "Most of the {thing} sold at {place} is grown in {TERRITORY}.",
    "An earthquake struck northern {TERRITORY} early on {day}.",
    # languages
    "{person} speaks {LANGUAGE} at home and {LANGUAGE} at work.",
    "The book was translated from {LANGUAGE} into {LANGUAGE} by {person}.",
    "Courses in {LANGUAGE} begin in {month} at {place}.",
    "She learned to read {LANGUAGE} when she was {number}.",
    "The grammar of {LANGUAGE} was described by {title} {person} in {year}.",
    "{LANGUAGE}, {LANGUAGE} and {LANGUAGE} are taught at this school.",
    "How do you say {thing} in {LANGUAGE}?",
    "Only {number} old people still speak {LANGUAGE} fluently.",
    "The {office} published a dictionary of {LANGUAGE} with {number} thousand words.",
    "Verbs in {LANGUAGE} come at the end of the sentence.",
    "{person} wrote her letters in {LANGUAGE}, never in {LANGUAGE}.",
    "The speakers of {LANGUAGE} call it by another name.",
    "{LANGUAGE} borrowed many words from {LANGUAGE}.",
    "The inscription is written in {LANGUAGE}.",
    "Subtitles are available in {LANGUAGE} and {LANGUAGE}.",
    # currencies
    "The hotel costs {number} in {CURRENCY} a night.",
    "The {CURRENCY} fell by {number} percent against the {CURRENCY} on {day}.",
    "Prices are given in {CURRENCY}.",
    "The {office} devalued the {CURRENCY} in {month} {year}.",
    "{person} changed {number} notes of the {CURRENCY} at {place}.",
    "One {CURRENCY} buys {number} grams of {thing}.",
    "The {CURRENCY} replaced the {CURRENCY} in {year}.",
    "Wages were paid in {CURRENCY} until {year}.",
    "The exchange rate of the {CURRENCY} was fixed by the {office}.",
    "Traders sold {CURRENCY} and bought {CURRENCY} all {day}.",
    "Coins of the {CURRENCY} are made of {thing}.",
    "A loan of {number} million in {CURRENCY} was granted to the {office}.",
    # several kinds
    "In {TERRITORY} people pay with the {CURRENCY} and speak {LANGUAGE}.",
    "{LANGUAGE} is spoken in parts of {TERRITORY} and {TERRITORY}.",
    "{TERRITORY} introduced the {CURRENCY} in {year}.",
    "{person} from {TERRITORY} teaches {LANGUAGE} on {day}.",
    "The {CURRENCY} is accepted in {TERRITORY}, too.",
    "{LANGUAGE} is the language of the courts in {TERRITORY}.",
    "A bank in {TERRITORY} lends {CURRENCY} at {number} percent.",
    "Radio {TERRITORY} broadcasts in {LANGUAGE} and {LANGUAGE} every {day}.",
    "Banknotes of {TERRITORY} bear the word {CURRENCY} in {LANGUAGE}.",
    "Tourists in {TERRITORY} should carry {CURRENCY} and know a little {LANGUAGE}.",
    # where only the name tells
    "{ANY} is mentioned on page {number}.",
    "The entry on {ANY} was revised by {person} in {year}.",
    "See also {ANY} and {ANY}.",
    # without a name
    "The {office} on {place} is closed on {day}.",
    "{title} {person} bought {number} sacks of {thing} in {month} {year}.",
    "{person} and {person} will meet at {place} on the last {day} of {month} {year}.",
    "The {office} thanked {title} {person} for {number} years of work.",
]
