"""Writes small Sentinel-2 products as ESA delivers them: metadata files and JPEG 2000 images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from made_tiles import COARSE, CRS, FIELD, FINE, GREEN, NORTH, SIDE, WEST
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from greattit.tiles.scene import ASSETS

BAND_IDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")


def write(
    home: Path,
    *,
    level: str = "2A",
    start: str = "2022-07-01T10:50:31.024Z",
    baseline: str = "04.00",
    offset: int | None = -1000,
    tile: str = "31UES",
    edit: Any = lambda text: text,
) -> Path:
    """Write one product into `home`; `offset` None leaves the list of offsets out; `edit` changes the metadata text."""
    clock = start[:19].replace("-", "").replace(":", "")
    name = f"S2A_MSIL{level}_{clock}_N{baseline.replace('.', '')}_R051_T{tile}_20220701T164500"
    product = home / f"{name}.SAFE"
    granule = f"GRANULE/L{level}_T{tile}_A036700_20220701T105030"
    noise = np.random.default_rng(1)
    images = []
    for key, band in ASSETS.items():
        if band in ("VV", "VH") or (band == "scl" and level == "1C"):
            continue
        metres = 10 if key in FINE else 20
        where = f"R{metres}m/" if level == "2A" else ""
        suffix = f"_{metres}m" if level == "2A" else ""
        image = f"{granule}/IMG_DATA/{where}T{tile}_{clock}_{band.replace('scl', 'SCL')}{suffix}"
        images.append(image)
        _image(product / f"{image}.jp2", _counts(key, metres, offset or 0, noise), metres)
    text = _metadata(f"{name}.SAFE", level, start, baseline, offset, images)
    (product / f"MTD_MSIL{level}.xml").write_text(edit(text), "utf-8")
    return product


def _counts(key: str, metres: int, offset: int, noise: np.random.Generator) -> Any:
    if key == "scl":
        return np.full((SIDE // 2, SIDE // 2), 4, np.uint8)
    ground = np.full((SIDE, SIDE), (FINE | COARSE)[key])
    ground[FIELD] = GREEN[key]
    ground = ground + noise.normal(0, 0.003, ground.shape)
    if metres == 20:
        ground = ground.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    return np.clip(np.round(ground * 10_000 - offset), 1, 65535).astype(np.uint16)


def _image(file: Path, counts: Any, metres: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        file,
        "w",
        driver="JP2OpenJPEG",
        height=counts.shape[0],
        width=counts.shape[1],
        count=1,
        dtype=counts.dtype,
        crs=CRS,
        transform=Affine(metres, 0, WEST, 0, -metres, NORTH),
        quality=100,
        reversible=True,
    ) as out:
        out.write(counts, 1)


def _metadata(name: str, level: str, start: str, baseline: str, offset: int | None, images: list[str]) -> str:
    west, south, east, north = transform_bounds(CRS, "EPSG:4326", WEST, NORTH - 10 * SIDE, WEST + 10 * SIDE, NORTH)
    ring = f"{north} {west} {south} {west} {south} {east} {north} {east} {north} {west}"
    prefix, listing = ("BOA_", "BOA_ADD_OFFSET_VALUES_LIST") if level == "2A" else ("", "Radiometric_Offset_List")
    adding = "BOA_ADD_OFFSET" if level == "2A" else "RADIO_ADD_OFFSET"
    offsets = "".join(f'<{adding} band_id="{n}">{offset}</{adding}>' for n in range(13))
    spectral = "".join(f'<Spectral_Information bandId="{n}" physicalBand="{b}"/>' for n, b in enumerate(BAND_IDS))
    space = f"https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{level}_User_Product xmlns:n1="{space}">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{start}</PRODUCT_START_TIME>
      <PRODUCT_URI>{name}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-{level}</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI{level}</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>2022-07-01T16:45:00.000000Z</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2A_20220701T105031_036700_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <DATATAKE_SENSING_START>{start}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>51</SENSING_ORBIT_NUMBER>
      </Datatake>
      <Product_Organisation><Granule_List>
        <Granule granuleIdentifier="S2A_OPER_MSI_L{level}_TL_ATOS_20220701T164500_A036700_T31UES_N{baseline}"
                 imageFormat="JPEG2000">
          {"".join(f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)}
        </Granule>
      </Granule_List></Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <{prefix}QUANTIFICATION_VALUE unit="none">10000</{prefix}QUANTIFICATION_VALUE>
      {f"<{listing}>{offsets}</{listing}>" if offset is not None else ""}
      <Spectral_Information_List>{spectral}</Spectral_Information_List>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info><Product_Footprint><Product_Footprint><Global_Footprint>
    <EXT_POS_LIST>{ring}</EXT_POS_LIST>
  </Global_Footprint></Product_Footprint></Product_Footprint></n1:Geometric_Info>
</n1:Level-{level}_User_Product>
"""
