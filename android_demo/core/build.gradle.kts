import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_1_8
        allWarningsAsErrors = true
        freeCompilerArgs.add("-Xjdk-release=1.8")
    }
}

val benchmark =
    sourceSets.create("benchmark") {
        compileClasspath += sourceSets.main.get().output
        runtimeClasspath += sourceSets.main.get().output
    }

dependencies {
    // Part of Android.
    compileOnly(libs.json)
    testImplementation(libs.json)
    testImplementation(libs.junit)
    testImplementation(libs.kotlin.test.junit)
    "benchmarkImplementation"(libs.json)
}

tasks.test {
    val golden = rootDir.resolve("../tests/golden")
    inputs.dir(golden)
    systemProperty("MVPOSE_GOLDEN", golden.path)
}

tasks.register<JavaExec>("benchmark") {
    description = "Time crop and decode on this computer"
    group = "verification"
    mainClass = "dev.mvpose.core.benchmark.MainKt"
    classpath = benchmark.runtimeClasspath
}
