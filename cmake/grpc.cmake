# gRPC (without TLS) and protobuf, linked statically: oa_grpc_libraries. The shared ones are some
# sixty libraries, whose loading costs every start of a runtime more time and memory than all the
# rest of it, also where gRPC is off.
find_package(PkgConfig REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
pkg_check_modules(OPENAGENTS_GRPC REQUIRED grpc++_unsecure>=1.51)

# pkg-config does not know all that the archives need.
set(names grpc++_reflection ${OPENAGENTS_GRPC_STATIC_LIBRARIES} upb cares re2 address_sorting protobuf)
list(REMOVE_DUPLICATES names)
set(archives)
foreach(name ${names})
  find_library(OPENAGENTS_LIB_${name} NAMES lib${name}.a)
  mark_as_advanced(OPENAGENTS_LIB_${name})
  # The C library's parts have none.
  if(OPENAGENTS_LIB_${name} AND NOT name MATCHES "^(atomic|rt|pthread|dl|m|z|systemd)$")
    list(APPEND archives ${OPENAGENTS_LIB_${name}})
  endif()
endforeach()
find_package(ZLIB REQUIRED)
add_library(oa_grpc_libraries INTERFACE)
target_link_libraries(oa_grpc_libraries INTERFACE "$<LINK_GROUP:RESCAN,${archives}>" ZLIB::ZLIB
                      Threads::Threads)
