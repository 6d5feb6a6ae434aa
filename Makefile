# Two commands: `make demo` and `make test`. Each sets up everything in .venv first.
PYTHON ?= python3.11
BIN := .venv/bin
SHARED ?= ../shared/data

.PHONY: demo test lint setup vendor train evaluate peers sample-tiles benchmarks kills wheel-check pictures clean

demo: setup
	$(BIN)/greattit demo --out demo

test: setup lint
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: .venv/ready

# torch first and by its exact version: any other release drags in gigabytes of CUDA.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev]' 'prosail>=2'
	touch .venv/ready

# Slow ones, not part of `make test`.
train: setup            ## weights and cards again, from the real series in $(SHARED)
	$(BIN)/greattit train crops --data $(SHARED) --recipe recipes/crops.yaml
	for set in canada-2017 denmark-2016 india-2022; do $(BIN)/greattit adapt $(SHARED)/series/$$set --out models/crops-$${set%-*}; done
	$(BIN)/greattit train vigour --data $(SHARED)
	$(BIN)/greattit train clouds
	$(BIN)/greattit train cut --data $(SHARED)
	$(BIN)/greattit train fields --data $(SHARED)
	$(BIN)/greattit train canopy
	$(BIN)/greattit train damage
	$(BIN)/greattit train cropmodel
	$(BIN)/greattit evaluate yield $(YIELDS:%=$(SHARED)/%) --card models/yields
	$(BIN)/greattit models index

evaluate: setup         ## every figure of the README
	$(BIN)/greattit evaluate walk $(SHARED)/scenes/flanders-2018
	$(BIN)/greattit evaluate walk data/sample_tiles
	for source in data/sample_tiles $(SHARED)/scenes/flanders-2018 $(SHARED)/chips/agrifieldnet-india/fields.npz; do \
		$(BIN)/greattit evaluate plots $$source --peers --drawing sloppy; $(BIN)/greattit evaluate plots $$source --peers; done
	$(BIN)/greattit evaluate clouds data/sample_tiles $(SHARED)/scenes/flanders-2018
	$(BIN)/greattit evaluate series $(SHARED)/series/flanders-2018 $(SHARED)/series/korea-2021
	for set in canada-2017 denmark-2016 korea-2021 india-2022 flanders-2018; do $(BIN)/greattit evaluate crops $(SHARED)/series/$$set; done
	for day in 61 92 122 153; do $(BIN)/greattit evaluate crops $(SHARED)/series/canada-2017 --train-on $(SHARED)/series/canada-2017 --day-of-season $$day; done
	for set in brazil-modis-mt central-asia; do $(BIN)/greattit evaluate crops $(SHARED)/series/$$set --train-on $(SHARED)/series/$$set --by year; done
	$(BIN)/greattit evaluate crops $(SHARED)/series/denmark-2016 --train-on $(SHARED)/series/canada-2017
	for shots in 20 50 100; do $(BIN)/greattit evaluate crops $(SHARED)/series/brazil-modis-2015 --train-on $(SHARED)/series/brazil-modis-mt --shots $$shots; done
	$(BIN)/python benchmarks/strange.py $(SHARED)/series/canada-2017 $(SHARED)/series/denmark-2016 $(SHARED)/series/india-2022
	$(BIN)/greattit evaluate patches $(SHARED)/chips/agrifieldnet-india/fields.npz
	for source in data/sample_tiles $(SHARED)/scenes/flanders-2018; do $(BIN)/greattit evaluate growth $$source; done
	$(BIN)/greattit evaluate damage held-out
	$(BIN)/greattit evaluate damage $(SHARED)/flood
	$(BIN)/greattit evaluate damage $(SHARED)/scenes/flanders-2018 --region flanders --weather $(SHARED)/scenes/flanders-2018/weather.parquet
	$(BIN)/greattit evaluate damage $(SHARED)/series/korea-2021
	$(BIN)/greattit evaluate damage $(SHARED)/series/canada-2017 --region canada
	$(BIN)/greattit evaluate yield $(YIELDS:%=$(SHARED)/%)

YIELDS := series/vietnam-rice-2022 tables/china-henan-winter-wheat tables/china-dongting-rice tables/usda-county-yields
PEERS := canada-2017 denmark-2016 india-2022 brazil-cbers-2018 brazil-s2-rondonia brazil-modis-mt korea-2021 vietnam-rice-points central-asia brazil-modis-2015
peers: setup            ## docs/benchmarks.md again: well-known classifiers on the same folds (about 40 minutes)
	OMP_NUM_THREADS=1 $(BIN)/greattit evaluate peers $(PEERS:%=$(SHARED)/series/%) --out docs/benchmarks.md

sample-tiles: setup     ## data/sample_tiles again, the same to the byte
	rm -rf .build/sample_tiles && mkdir -p .build
	$(BIN)/greattit simulate .build/sample_tiles
	diff -r .build/sample_tiles data/sample_tiles && echo "the sample tiles are what the recipe grows"

benchmarks: setup       ## speeds as ratios to a peer or a limit (about 10 minutes)
	$(BIN)/python benchmarks/one_plot.py
	$(BIN)/python benchmarks/cube.py
	$(BIN)/python benchmarks/filled.py
	$(BIN)/python benchmarks/clouds.py
	$(BIN)/python benchmarks/crops.py
	$(BIN)/python benchmarks/plots.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/yields.py
	$(BIN)/python benchmarks/parcelfile.py 100000

kills: setup            ## an ingest killed at 200 random moments
	GREATTIT_KILLS=200 $(BIN)/pytest -s tests/test_ingest_kill.py -k killed_at

wheel-check: setup      ## a wheel in an empty environment runs the demo from another folder
	rm -rf .build/wheel && mkdir -p .build/wheel
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir .build/wheel .
	$(PYTHON) -m venv .build/wheel/venv
	.build/wheel/venv/bin/pip install --quiet torch==2.13.0
	.build/wheel/venv/bin/pip install --quiet .build/wheel/*.whl
	cd .build/wheel && venv/bin/greattit demo --out demo && test -s demo/appraisal.html

vendor: setup           ## the page's map libraries again, from the lock file (needs npm)
	$(BIN)/python -m greattit.web.vendor

pictures: setup         ## the README's pictures again
	GREATTIT_PICTURES=docs/pictures $(BIN)/pytest tests/test_browser.py -k circles
	$(BIN)/greattit demo --out .build/demo && cp .build/demo/appraisal.png docs/pictures/appraisal.png
	$(BIN)/greattit growth data/sample_tiles --plot data/sample_tiles/demo_plot.geojson --day 2023-08-20 --crop maize \
		--neighbours data/sample_tiles/plots.geojson --out docs/pictures

clean:
	rm -rf .venv .build demo
