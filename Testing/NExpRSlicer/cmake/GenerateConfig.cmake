# What the Extensions Index shows, for the test to read.
set(_description "")
foreach(_name HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  string(APPEND _description "${_name}=${EXTENSION_${_name}}\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/${PROJECT_NAME}.description "${_description}")
