#!/bin/sh
# Prepares the slices of results.yaml: sh results_data.sh DATA FOLDER
# DATA holds train/, test/ and facts.tsv with columns file, subject, x, y (percent of k-space); FOLDER receives the .npz files.
set -eu
data=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
nexpr=${NEXPR:-nexpr}

part() { # part NAME PATTERN OPTIONS...: link the volumes of a pattern into a folder of their own and prepare them
    name=$1 pattern=$2
    shift 2
    rm -rf "$name" && mkdir "$name"
    for file in "$data"/$pattern; do ln -s "$file" "$name/"; done
    "$nexpr" prepare "$name" -o "$name.npz" --plane 2 --subjects "$data/facts.tsv" "$@"
    rm -r "$name"
}

mri="--effective-resolution $data/facts.tsv"
part train-mri 'train/[bp]r*' $mri --validation Prostate3T-03-0003 oms-patient20
part train-ct 'train/ct_*' --validation A048383 A072894 --window -140 260 --window -1350 150 --window -1024 1500
part test-prostate 'test/prostate_*' $mri --validation
part test-brain 'test/brain_*' $mri --validation
part test-ct 'test/ct_*' --validation --window -140 260
