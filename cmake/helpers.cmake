# oa_library(NAME SOURCES a.cc ... [DEPS t ...] [PRIVATE_DEPS t ...]): a static library of one folder.
function(oa_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE oa_options ${ARG_PRIVATE_DEPS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
endfunction()

# oa_executable(NAME SOURCES a.cc ... DEPS t ...): a program.
function(oa_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE oa_options ${ARG_DEPS})
  target_link_options(${name} PRIVATE -Wl,--as-needed $<$<CONFIG:Release>:-Wl,--gc-sections>)
endfunction()

# The tests of a label are a target, so that a sanitizer build or `make unit` builds nothing else.
add_custom_target(unit_tests)
add_custom_target(integration_tests)

# oa_test(NAME LABEL unit|integration SOURCES a_test.cc ... DEPS t ...): GoogleTest cases, each a ctest of its own.
function(oa_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT OPENAGENTS_TESTS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE oa_options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_dependencies(${ARG_LABEL}_tests ${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 120)
endfunction()
