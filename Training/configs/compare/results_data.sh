#!/bin/sh
# Prepares the slices of results.yaml: sh results_data.sh DATA FOLDER
# DATA holds train/, test/ and facts.tsv with columns file and subject; FOLDER receives the .npz files. What the scanner
# interpolated is recognized from the voxels and cropped.
set -eu
data=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"
nexpr=${NEXPR:-nexpr}

part() { # part NAME "PATTERN ..." OPTIONS...: link the volumes of the patterns into a folder of their own and prepare them
    name=$1 patterns=$2
    shift 2
    rm -rf "$name" && mkdir "$name"
    for pattern in $patterns; do
        for file in "$data"/$pattern; do ln -s "$file" "$name/"; done
    done
    "$nexpr" prepare "$name" -o "$name.npz" --subjects "$data/facts.tsv" "$@"
    rm -r "$name"
}

part train-mri 'train/brain_[ft]* train/ca* train/cs* train/[fnpt]*' --validation Prostate3T-03-0003 oms-patient20
part test-prostate 'test/prostate_*' --validation
part test-brain 'test/brain_*' --validation
part test-knee 'test/knee_*' --validation
