# The CUDA language and toolkit, for the `cuda` preset. GPU code is built as modules that are loaded at run time, so that
# one program runs with and without a GPU; nothing else may link against the CUDA runtime.
if(NOT OPENAGENTS_CUDA)
  return()
endif()

# What cmake/install-cuda.sh has brought, unless the machine has a toolkit of its own.
if(DEFINED ENV{XDG_CACHE_HOME})
  set(cuda_home $ENV{XDG_CACHE_HOME}/openagents/cuda/toolkit)
else()
  set(cuda_home $ENV{HOME}/.cache/openagents/cuda/toolkit)
endif()
if(NOT DEFINED CMAKE_CUDA_COMPILER AND EXISTS ${cuda_home})
  set(CMAKE_CUDA_COMPILER ${cuda_home}/bin/nvcc)
  set(CUDAToolkit_ROOT ${cuda_home})
endif()

# CMake 3.25 does not know nvcc 13's flags for C++20, and looks for a library that the toolkit no longer has.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
if(NOT TARGET CUDA::nvToolsExt)
  add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
endif()
set(CMAKE_CUDA_ARCHITECTURES 80-real 90)  # Ampere as machine code; Hopper as machine code and as PTX for what follows
set(CMAKE_CUDA_STANDARD 20)
enable_language(CUDA)
find_package(CUDAToolkit 12.0 REQUIRED)
message(STATUS "CUDA ${CUDAToolkit_VERSION}: ${CMAKE_CUDA_COMPILER}")
