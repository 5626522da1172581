"""Files with drawn slots in each format, as those programs write them, and what can be wrong with
them."""

import json
from typing import Any

import pytest

from parking.core.errors import Invalid
from parking.wire import jsontext
from parking.wire.slotfiles import SlotFile, read

SIZE = (200, 100)
SQUARE = [(20, 20), (60, 20), (60, 50), (20, 50)]
SHARES = [(0.1, 0.2), (0.3, 0.2), (0.3, 0.5), (0.1, 0.5)]

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>lot</name><labels><label><name>space</name></label></labels></task></meta>
  <image id="0" name="north.jpg" width="200" height="100">
    <polygon label="space" source="manual" occluded="0"
             points="20.00,20.00;60.00,20.00;60.00,50.00;20.00,50.00" z_order="0">
      <attribute name="slot_id">B7</attribute>
      <attribute name="kind">ev</attribute>
      <attribute name="enabled">false</attribute>
    </polygon>
    <box label="space" occluded="0" xtl="100" ytl="10" xbr="140" ybr="30" z_order="0"></box>
    <polyline label="kerb" points="0,0;5,5"></polyline>
  </image>
  <image id="1" name="south.jpg" width="400" height="200">
    <polygon label="space" points="40,40;120,40;120,100;40,100"></polygon>
  </image>
  <image id="2" name="empty.jpg" width="400" height="200"></image>
</annotations>
"""
PKLOT = """<?xml version="1.0"?>
<parking id="ufpr">
  <space id="1" occupied="0">
    <rotatedRect><center x="40" y="35" /><size w="30" h="40" /><angle d="-90" /></rotatedRect>
    <contour><point x="20" y="20" /><point x="60" y="20" /><Point x="60" y="50" />
      <Point x="20" y="50" /></contour>
  </space>
  <space id="2">
    <rotatedRect><center x="120" y="20" /><size w="20" h="40" /><angle d="90" /></rotatedRect>
  </space>
</parking>
"""
XS, YS = [x for x, _ in SQUARE], [y for _, y in SQUARE]
POLYGON = {"name": "polygon", "all_points_x": XS, "all_points_y": YS}
REGION = {"shape_attributes": POLYGON, "region_attributes": {"name": "B7", "zone": "west"}}
RECT = {"shape_attributes": {"name": "rect", "x": 100, "y": 10, "width": 40, "height": 20}}
CIRCLE = {"shape_attributes": {"name": "circle", "cx": 1, "cy": 1, "r": 1}}
VIA_FILE = {"filename": "north.jpg", "size": 12345, "regions": [REGION, RECT, CIRCLE]}
VIA = {"_via_settings": {}, "_via_img_metadata": {"north.jpg12345": VIA_FILE}}
VIA_1 = {"north.jpg12345": {**VIA_FILE, "regions": {"0": REGION, "1": RECT}}}
CSV = (
    "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    "region_attributes\n"
    'north.jpg,12345,"{}",2,0,"{""name"":""polygon"",""all_points_x"":[20,60,60,20],'
    '""all_points_y"":[20,20,50,50]}","{""name"":""B7""}"\n'
    'north.jpg,12345,"{}",2,1,"{""name"":""rect"",""x"":100,""y"":10,""width"":40,'
    '""height"":20}","{}"\n'
    'empty.jpg,12345,"{}",0,0,"{}","{}"\n'
)
COCO = {
    "images": [
        {"id": 1, "width": 200, "height": 100, "file_name": "north.jpg"},
        {"id": 2, "width": 10, "height": 10, "file_name": "south.jpg"},
    ],
    "categories": [{"id": 1, "name": "space"}],
    "annotations": [
        {"image_id": 1, "category_id": 1, "segmentation": [[20, 20, 60, 20, 60, 50, 20, 50]]},
        {"image_id": 1, "category_id": 1, "segmentation": {"counts": "", "size": [1, 1]}},
        {"image_id": 2, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]},
        {
            "image_id": 1,
            "segmentation": [[0, 0, 1, 0, 1, 1], [100, 10, 140, 10, 140, 30, 100, 30, 100, 10]],
            "attributes": {"slot_id": "B7", "kind": "boat"},
        },
    ],
}
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "B7",
            "properties": None,
            "geometry": {"type": "Polygon", "coordinates": [[*SQUARE, SQUARE[0]]]},
        },
        {
            "type": "Feature",
            "properties": {"name": "Bay 8"},
            "geometry": {"type": "MultiPolygon", "coordinates": [[[[*p, 0] for p in SQUARE]]]},
        },
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 1]}},
    ],
}
FRAME = {
    "file": "a.jpg",
    "camera": "North",
    "width": 200,
    "height": 100,
    "slots": [{"id": 7, "polygon": SQUARE}, {"id": "A 1", "polygon": SQUARE}],
}
LAYOUT = {
    "slots": [{"slot_id": "A01", "zone_id": "A", "polygon": SHARES, "confidence": 0.5}],
    "zones": [{"zone_id": "A", "name": "Row A"}, {"zone_id": "B", "name": "unused"}],
}


def taken(value: Any, size_wh: tuple[int, int] | None = SIZE, **more: Any) -> SlotFile:
    data = (
        value
        if isinstance(value, bytes)
        else (value.encode() if isinstance(value, str) else json.dumps(value).encode())
    )
    return read(data, size_wh, **more)


def names(file: SlotFile) -> list[str]:
    return [slot.slot_id for slot in file.slots]


def faults_of(value: Any, size_wh: tuple[int, int] | None = SIZE) -> list[str]:
    with pytest.raises(Invalid) as caught:
        taken(value, size_wh)
    return caught.value.faults or [caught.value.detail]


def test_cvat_polygons_and_boxes_become_slots():
    file = taken(CVAT, None)
    assert (file.format, file.picture, file.size_wh) == ("cvat", "north.jpg", (200, 100))
    assert file.pictures == ["north.jpg", "south.jpg"]
    first, second = file.slots
    assert first.polygon == SHARES
    assert (first.slot_id, first.zone_id, first.kind, first.enabled) == ("B7", "B", "ev", False)
    assert second.polygon == [(0.5, 0.1), (0.7, 0.1), (0.7, 0.3), (0.5, 0.3)]
    assert (second.slot_id, second.kind, second.enabled) == ("A01", "standard", True)
    assert file.notes == [
        "line 13, <polyline>: left out, because it is neither a polygon nor a box"
    ]


def test_another_picture_of_the_file_can_be_chosen():
    file = taken(CVAT, None, picture="south.jpg")
    assert (file.picture, file.size_wh) == ("south.jpg", (400, 200))
    assert [slot.polygon for slot in file.slots] == [SHARES]
    with pytest.raises(Invalid, match=r"picture 'west\.jpg' contains no slot outline"):
        taken(CVAT, None, picture="west.jpg")


def test_pklot_spaces_have_contours_or_rotated_rectangles():
    file = taken(PKLOT)
    assert (file.format, file.size_wh, names(file)) == ("pklot", None, ["1", "2"])
    assert file.slots[0].polygon == SHARES
    assert sorted(file.slots[1].polygon) == [(0.5, 0.1), (0.5, 0.3), (0.7, 0.1), (0.7, 0.3)]
    assert {slot.zone_id for slot in file.slots} == {"lot"}


@pytest.mark.parametrize("value", [VIA, VIA["_via_img_metadata"], VIA_1, CSV])
def test_via_projects_exports_and_tables_are_read(value: Any):
    file = taken(value)
    assert (file.picture, names(file)) == ("north.jpg", ["B7", "A01"])
    assert file.slots[0].polygon == SHARES
    assert file.slots[1].polygon == [(0.5, 0.1), (0.7, 0.1), (0.7, 0.3), (0.5, 0.3)]


def test_a_table_that_a_spreadsheet_saved_is_read():
    """It has semicolons, a byte order mark, and Windows line endings."""
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows(csv.reader(io.StringIO(CSV)))
    assert names(taken(out.getvalue().encode("utf-8-sig"))) == ["B7", "A01"]


def test_coco_uses_the_largest_part_and_says_what_it_leaves_out():
    file = taken(COCO, None)
    assert (file.format, file.pictures) == ("coco", ["north.jpg", "south.jpg"])
    assert names(file) == ["A01", "B7"]
    assert file.slots[1].polygon == [(0.5, 0.1), (0.7, 0.1), (0.7, 0.3), (0.5, 0.3)]
    assert file.slots[1].kind == "standard"
    assert [note.split(":")[0] for note in file.notes] == [
        "annotations[1].segmentation is a mask",
        "annotations[3].segmentation",
        "annotations[3]",
    ]


def test_geojson_polygons_are_in_pixels():
    file = taken(GEOJSON)
    assert names(file) == ["B7", "Bay-8"]
    assert [slot.polygon for slot in file.slots] == [SHARES, SHARES]
    assert [zone.zone_id for zone in file.zones] == ["B", "Bay"]
    assert len(file.notes) == 1


def test_annotations_have_a_picture_for_each_camera():
    south = {**FRAME, "camera": "South", "slots": [{"id": "S1", "polygon": SQUARE}]}
    site = {"slots": {"7": {"zone": "west"}}, "zones": {"west": "West"}}
    value = {"frames": [FRAME, FRAME, south], "site": site}
    file = taken(value, None)
    assert (file.pictures, names(file)) == (["north", "south"], ["7", "A-1"])
    assert file.slots[0].polygon == SHARES
    assert [(zone.zone_id, zone.name) for zone in file.zones] == [("west", "West"), ("A", "A")]
    assert names(taken(value, None, picture="south")) == ["S1"]


def test_a_layout_keeps_its_names_and_zones():
    file = taken(LAYOUT, None)
    assert names(file) == ["A01"]
    assert [(zone.zone_id, zone.name) for zone in file.zones] == [("A", "Row A")]
    del (only := dict(LAYOUT))["zones"]
    assert [zone.name for zone in taken(only, None).zones] == ["A"]


def test_labels_are_names_only_if_each_differs():
    one, other = (f'<polygon label="{x}" points="20,20;60,20;60,50"/>' for x in ("P-1", "P-2"))
    image = '<annotations><image name="a" width="200" height="100">{}</image></annotations>'
    assert names(taken(image.format(one + other))) == ["P-1", "P-2"]
    assert names(taken(image.format(one + one))) == ["A01", "A02"]


def test_a_name_that_is_used_twice_is_counted_up():
    region = {"shape_attributes": POLYGON, "region_attributes": {"slot_id": "A1"}}
    value = {"a": {"filename": "a", "regions": [region, region, {**region}]}}
    file = taken(value)
    assert names(file) == ["A1", "A2", "A3"]
    assert "a second A1 is named A2" in file.notes[0]


# ---------------------------------------------------------------- faults
def test_every_fault_of_a_cvat_file_is_named_with_its_line():
    bad = (
        CVAT.replace('height="100"', 'height="-3"')
        .replace("60.00,20.00", "60.00")
        .replace('xtl="100"', 'xtl="left"')
    )
    found = faults_of(bad)
    assert [fault.split(":")[0] for fault in found] == [
        "line 5, <image>",
        "line 6, <polygon>",
        "line 12, <box>",
    ]
    assert "expected pairs like" in found[1]


def test_cvat_for_video_is_refused_with_the_cure():
    (fault,) = faults_of("<annotations><track id='0'/></annotations>")
    assert 'expected "CVAT for images 1.1"' in fault


def test_every_fault_of_a_pklot_file_is_named_with_its_line():
    bad = PKLOT.replace('<point x="60"', '<point x="six"').replace('<angle d="90"', "<angle")
    assert faults_of(bad) == [
        "line 5, <point>: expected numbers for x and y",
        "line 9, <angle>: expected a number for d",
    ]
    (fault,) = faults_of('<parking id="1"><space id="1"/></parking>')
    assert "expected a <contour>" in fault


def test_every_fault_of_json_is_named_with_its_place():
    bad = {"images": [{"id": 1, "width": 0}], "annotations": [{"segmentation": []}]}
    assert [fault.split(" is missing")[0].split(":")[0] for fault in faults_of(bad)] == [
        "images[0].width",
        "images[0].height",
        "annotations[0].image_id",
    ]
    image = {"id": 1, "width": 200, "height": 100}
    parts = [{"image_id": 1, "segmentation": s} for s in ([[1, 2, 3, 4, 5, 6, 7]], [[1, "2"]])]
    found = faults_of({"images": [image], "annotations": [*parts, {"image_id": 9}]})
    assert [fault.split(":")[0] for fault in found] == [
        "annotations[0].segmentation[0]",
        "annotations[1].segmentation[0]",
        "annotations[1].segmentation[0][1]",
        "annotations[2].image_id",
    ]


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        ({"type": "Polygon", "coordinates": [[[1, 2], [3]]]}, "coordinates[0][1]"),
        ({"type": "Polygon", "coordinates": 7}, "coordinates: it must be a list"),
        ({"type": "MultiPolygon", "coordinates": [[], []]}, "expected one polygon"),
        ({"type": "Polygon", "coordinates": [[*SQUARE, [900, 20]]]}, "expected pixels of 200x100"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]}, "expected 3 to 64"),
    ],
)
def test_faults_of_geojson(geometry: Any, words: str):
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    (fault,) = faults_of({"type": "FeatureCollection", "features": [feature]})
    assert fault.startswith("features[0]")
    assert words in fault


def test_faults_of_via_name_the_region_and_the_line():
    uneven = {"shape_attributes": {**POLYGON, "all_points_x": [1]}}
    wrong = {"shape_attributes": {**POLYGON, "all_points_y": "20"}}
    found = faults_of({"a.jpg9": {"filename": "a.jpg", "regions": [uneven, wrong]}})
    assert [fault.split(": ")[1] for fault in found] == ["regions[0]", "regions[1]"]
    (fault,) = faults_of(CSV.replace('"{""name"":""B7""}"', "B7"))
    assert fault == "line 2, region_attributes: expected a JSON object, not 'B7'"


def test_a_corner_a_little_outside_is_moved_in():
    outside = {**FRAME, "slots": [{"id": 1, "polygon": [[-5, -5], [210, 20], [60, 50]]}]}
    polygon = taken({"frames": [outside]}).slots[0].polygon
    assert polygon == [(0.0, 0.0), (1.0, 0.2), (0.3, 0.5)]


@pytest.mark.parametrize("value", [PKLOT, GEOJSON, VIA, CSV])
def test_the_size_is_asked_for_where_the_file_does_not_tell_it(value: Any):
    with pytest.raises(Invalid, match=r"no-size: .* like 1280x720"):
        taken(value, None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{}", "JSON with nothing in it is not known here; expected one of: layout"),
        ("[]", "JSON that is not an object"),
        ("{", "not JSON"),
        ("", "the file is empty"),
        ("<kml/>", "XML with root <kml>"),
        ("a,b\n1,2\n", "not JSON"),
        ('{"frames": []}', "this file contains no slot outline"),
        ('{"images": [], "annotations": []}', "this file contains no slot outline"),
        ({"slots": [{"slot_id": "A 1", "zone_id": "A", "polygon": SHARES}]}, "slots[0].slot_id"),
    ],
)
def test_other_files_are_refused_with_what_is_expected(value: Any, words: str):
    assert words in faults_of(value)[0]


# ---------------------------------------------------------------- encodings and hostile XML
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", [CVAT, CSV, json.dumps(VIA, indent=1)])
def test_marks_encodings_and_line_ends_do_not_matter(text: str, ends: str, encoding: str):
    text = text.replace('<?xml version="1.0" encoding="utf-8"?>\n', "").replace("\n", ends)
    assert names(taken(text.encode(encoding))) == ["B7", "A01"]


def test_xml_says_its_encoding_or_is_utf_8():
    image = '<image name="Süd" width="200" height="100">'
    text = CVAT.replace('<image id="0" name="north.jpg" width="200" height="100">', image)
    latin = text.replace('encoding="utf-8"', 'encoding="ISO-8859-1"').encode("latin-1")
    assert taken(latin).picture == "Süd"
    undeclared = text.replace(' encoding="utf-8"', "").encode("latin-1")
    assert faults_of(undeclared) == ["line 5: byte 0xFC is not UTF-8: save the file as UTF-8"]
    (fault,) = faults_of(text.replace('"utf-8"', '"klingon"').encode())
    assert "encoding" in fault


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
    ],
)
def test_xml_that_declares_anything_is_refused(head: str):
    (fault,) = faults_of(f"{head}\n{PKLOT.partition(chr(10))[2]}")
    assert fault == "line 1: a DOCTYPE or ENTITY is not accepted: remove it"


def test_deep_and_damaged_xml_is_refused():
    (fault,) = faults_of("<parking>" + "<a>" * 100_000)
    assert fault == "line 1: elements are nested more than 20 deep"
    (fault,) = faults_of(PKLOT.replace("</contour>", "</contuor>"))
    assert fault.startswith("line 6, column")
    assert "mismatched tag" in fault


def test_control_the_text_of_other_files_is_read_by_the_same_code():
    with pytest.raises(Invalid, match="byte 0xFC is not UTF-8"):
        jsontext.parse('{"a": "Süd"}'.encode("latin-1"))
