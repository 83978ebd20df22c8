# The four functions every folder uses: df_library, df_binary, df_test, df_fuzz.
#
# A folder "dfdaemon/piece" is the target `dfdaemon_piece` with the alias `dragonfly::dfdaemon_piece`.
# Sources are listed, never globbed; nothing is exported upwards.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(DRAGONFLY_CCACHE ccache)
if(DRAGONFLY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DRAGONFLY_CCACHE})
endif()

# Two compile jobs and one link job fit the machines this is built on.
set_property(GLOBAL PROPERTY JOB_POOLS link=1)
set(CMAKE_JOB_POOL_LINK link)

find_program(DRAGONFLY_LLD NAMES ld.lld-19 ld.lld)
add_library(dragonfly_flags INTERFACE)
target_compile_options(dragonfly_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(dragonfly_flags INTERFACE -Wthread-safety)
endif()
if(DRAGONFLY_WERROR)
  target_compile_options(dragonfly_flags INTERFACE -Werror)
endif()
target_include_directories(dragonfly_flags INTERFACE ${PROJECT_SOURCE_DIR})

# Applied to generated code too: a sanitizer has to see both ends of a memory access.
add_library(dragonfly_sanitize INTERFACE)
if(DRAGONFLY_SANITIZE)
  target_compile_options(dragonfly_sanitize INTERFACE
    -fsanitize=${DRAGONFLY_SANITIZE} -fno-sanitize-recover=undefined)
  target_link_options(dragonfly_sanitize INTERFACE -fsanitize=${DRAGONFLY_SANITIZE})
endif()
if(DRAGONFLY_LLD)
  target_link_options(dragonfly_sanitize INTERFACE -fuse-ld=${DRAGONFLY_LLD})
endif()
# Without it reports show addresses, and suppressions by function do not apply.
find_program(DRAGONFLY_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer llvm-symbolizer-14)
if(DRAGONFLY_FUZZ)
  target_compile_options(dragonfly_sanitize INTERFACE -fsanitize=fuzzer-no-link)
  add_custom_target(fuzz_targets)
endif()

# What every executable links besides: objects that have to stand in front of shared libraries
# (tests/sanitizers).
set(DRAGONFLY_EXECUTABLE_DEPS dragonfly_flags dragonfly_sanitize)
if(DRAGONFLY_SANITIZE STREQUAL "thread")
  list(APPEND DRAGONFLY_EXECUTABLE_DEPS dragonfly_tsan_abseil)
endif()

# df_library(<name> SRCS ... HDRS ... DEPS ... PUBLIC_DEPS ...)
# PUBLIC_DEPS are the ones that appear in the headers. Without SRCS the library is header-only.
function(df_library name)
  cmake_parse_arguments(arg "" "" "SRCS;HDRS;DEPS;PUBLIC_DEPS" ${ARGN})
  if(arg_SRCS)
    add_library(${name} STATIC ${arg_SRCS} ${arg_HDRS})
    target_link_libraries(${name}
      PUBLIC dragonfly_sanitize ${arg_PUBLIC_DEPS}
      PRIVATE dragonfly_flags ${arg_DEPS})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  else()
    add_library(${name} INTERFACE ${arg_HDRS})
    target_link_libraries(${name} INTERFACE dragonfly_sanitize ${arg_PUBLIC_DEPS} ${arg_DEPS})
    target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR})
  endif()
  add_library(dragonfly::${name} ALIAS ${name})
endfunction()

# df_binary(<name> SRCS ... DEPS ...): an executable in <build>/bin.
#
# SHORT_LIVED: for programs that end at once. Loading gRPC and what it needs, some seventy shared
# libraries, takes them longer than their work; they are linked from archives where the system has
# them. Only with LLD, which does not mind the order of archives, and not under a sanitizer.
function(df_binary name)
  cmake_parse_arguments(arg "SHORT_LIVED" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${DRAGONFLY_EXECUTABLE_DEPS} ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(arg_SHORT_LIVED AND DRAGONFLY_LLD AND NOT DRAGONFLY_SANITIZE)
    set_target_properties(${name} PROPERTIES RULE_LAUNCH_LINK
      "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/link_archives.sh")
  endif()
endfunction()

# df_test(<name> SRCS ... DEPS ... [LABEL unit] [TIMEOUT 60] [DATA dir] [ENV A=B ...])
# One ctest entry per binary. DATA reaches the test as the environment variable DF_TEST_DATA.
function(df_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT;DATA" "SRCS;DEPS;ENV" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name}
    PRIVATE ${DRAGONFLY_EXECUTABLE_DEPS} ${arg_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
  add_test(NAME ${name} COMMAND ${name})
  set(environment "DF_BIN_DIR=${CMAKE_BINARY_DIR}/bin" ${arg_ENV})
  if(arg_DATA)
    list(APPEND environment "DF_TEST_DATA=${arg_DATA}")
  endif()
  if(DRAGONFLY_SANITIZE)
    set(tsan "suppressions=${PROJECT_SOURCE_DIR}/tests/sanitizers/tsan.supp:halt_on_error=1")
    if(DRAGONFLY_SYMBOLIZER)
      string(APPEND tsan ":external_symbolizer_path=${DRAGONFLY_SYMBOLIZER}")
      list(APPEND environment "ASAN_SYMBOLIZER_PATH=${DRAGONFLY_SYMBOLIZER}")
    endif()
    list(APPEND environment
      "TSAN_OPTIONS=${tsan}"
      "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/sanitizers/lsan.supp"
      "UBSAN_OPTIONS=print_stacktrace=1")
  endif()
  set_tests_properties(${name} PROPERTIES
    LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${environment}")
endfunction()

# df_fuzz(<name> SRCS ... DEPS ... CORPUS dir)
# The source defines LLVMFuzzerTestOneInput. With DRAGONFLY_FUZZ it becomes a libFuzzer binary;
# in every build the committed corpus runs through it as the unit test <name>_corpus.
function(df_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS" "SRCS;DEPS" ${ARGN})
  if(DRAGONFLY_FUZZ)
    add_executable(${name} ${arg_SRCS})
    target_link_libraries(${name} PRIVATE ${DRAGONFLY_EXECUTABLE_DEPS} ${arg_DEPS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz-bin)
    add_dependencies(fuzz_targets ${name})
    # For tests/fuzz/run.
    file(WRITE ${CMAKE_BINARY_DIR}/fuzz-bin/${name}.corpus "${arg_CORPUS}\n")
  else()
    add_executable(${name}_corpus ${arg_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus_main.cc)
    target_link_libraries(${name}_corpus PRIVATE ${DRAGONFLY_EXECUTABLE_DEPS} ${arg_DEPS})
    set_target_properties(${name}_corpus PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
    add_test(NAME ${name}_corpus COMMAND ${name}_corpus ${arg_CORPUS})
    set_tests_properties(${name}_corpus PROPERTIES LABELS "unit;fuzz" TIMEOUT 60)
  endif()
endfunction()
