# Third-party libraries, all from the distribution. Each is linked only by the folders that use it.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)

# Boost: Asio before 1.77 cannot cancel a single operation. Debian 12's default is 1.74, so
# deploy/setup.sh unpacks the 1.81 headers into .deps/boost; newer distributions use their own.
set(DRAGONFLY_BOOST_INCLUDE "${PROJECT_SOURCE_DIR}/.deps/boost/usr/include"
    CACHE PATH "Folder with boost/asio.hpp, 1.77 or newer")
if(NOT EXISTS "${DRAGONFLY_BOOST_INCLUDE}/boost/version.hpp")
  find_package(Boost 1.77 REQUIRED)
  set(DRAGONFLY_BOOST_INCLUDE "${Boost_INCLUDE_DIRS}")
endif()
add_library(dragonfly_boost INTERFACE)
target_include_directories(dragonfly_boost SYSTEM BEFORE INTERFACE ${DRAGONFLY_BOOST_INCLUDE})
target_compile_definitions(dragonfly_boost INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE BOOST_ERROR_CODE_HEADER_ONLY)
target_link_libraries(dragonfly_boost INTERFACE Threads::Threads)
add_library(dragonfly::boost ALIAS dragonfly_boost)
