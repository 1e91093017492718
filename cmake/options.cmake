# Compiler settings that hold for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

set(OPENAGENTS_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, e.g. address,undefined or thread")
option(OPENAGENTS_WERROR "Treat warnings as errors" ON)
option(OPENAGENTS_TESTS "Build the tests" ON)
option(OPENAGENTS_FUZZ "Build the fuzz targets, by clang" OFF)
option(OPENAGENTS_CUDA "Find the CUDA toolkit" OFF)

add_library(oa_options INTERFACE)
target_include_directories(oa_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(oa_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Woverloaded-virtual -Wno-missing-field-initializers
                       $<$<BOOL:${OPENAGENTS_WERROR}>:-Werror>)
if(OPENAGENTS_SANITIZE)
  # Without vptr: it takes objects of cpprestsdk's library, built without it, for others, and everything for broken once
  # a test has used up the process's file descriptors.
  add_compile_options(-fsanitize=${OPENAGENTS_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OPENAGENTS_SANITIZE})
  # Sanitizer instrumentation makes gcc 12 see uninitialised values in library templates.
  target_compile_options(oa_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-tsan>)
endif()

find_program(OPENAGENTS_MOLD mold)
if(OPENAGENTS_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# The cache is shared by all clones: paths below the source tree are hashed as relative ones.
find_program(OPENAGENTS_CCACHE ccache)
if(OPENAGENTS_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=time_macros ${OPENAGENTS_CCACHE})
endif()
